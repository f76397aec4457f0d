/**
 * Tests import parts of lib, not its entry, so what the entry does for every program is done here: hooking
 * up the evaluator. Tests of bf16 run on all processors, also where users get fp32.
 */
import '../lib/compile/evaluate';

process.env.TENON_BF16 ??= 'best';
