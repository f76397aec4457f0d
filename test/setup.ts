/**
 * Tests import parts of lib, not its entry, so what the entry does for every program is done here: hooking
 * up the evaluator.
 */
import '../lib/compile/evaluate';
