/**
 * The most that this machine can do, measured by kernels that do nothing else (native/kernels/peak.cc).
 */
import * as native from '../native';

export interface Peaks {
  /** Multiply-adds in registers, each counted as two, on the instruction set and the threads in use. */
  readonly gflops: number;
  /** The same of bf16 products on the path in use; where bf16 is computed in float32, of float32. */
  readonly bf16Gflops: number;
  /**
   * a = b + s c in GB/s, counting three operands: from memory, and from a size that the last-level cache of
   * most machines holds.
   */
  readonly memory: Triad;
  readonly cache: Triad;
}

export interface Triad {
  /** Bytes of the three operands together. */
  readonly bytes: number;
  readonly plain: number;
  /** Stores bypass the caches where the instruction set has such stores. */
  readonly streaming: number;
}

const memoryBytes = 3 * (128 << 20);
/** Calls that touch no more than this are compared with the bandwidth at this size. */
const cacheBytes = 3 * (10 << 20);
const repeats = 5;
/** Short runs are repeated until this much time has passed. */
const leastNanoseconds = 1e8;

const noScalars = new Float64Array(0);

type Dims = readonly number[];

/**
 * A program of one call whose f32 operands have buffers of their own. It writes to the buffers first: the
 * system backs memory that was never written with a single page, which stays in the cache.
 */
function singleCall(
  kernel: string,
  operands: readonly Dims[],
  attrs: native.KernelAttrs,
): native.ProgramDesc {
  const bytes = operands.map((dims) => dims.reduce((a, b) => a * b, native.DTYPE_BYTES.f32));
  const tensors = operands.flatMap((dims, i) => {
    const row = [i, 0, native.DTYPE_CODES.f32, dims.length, ...dims];
    return [...row, ...new Array<number>(native.TENSOR_ROW - row.length).fill(0)];
  });
  const description = {
    target: 'native' as const,
    queue: 'train' as const,
    arenaBytes: 0,
    scalars: 0,
    buffers: bytes.map((n) => native.allocate(n)),
    inputs: [],
    tensors: Float64Array.from(tensors),
    calls: operands.map((_, i) => ({ kernel: 'fill', tensors: [i], outputs: 1, attrs: { value: 1 } })),
    constantCalls: 0,
    commitStart: operands.length,
    outputs: [],
  };
  const fill = native.createProgram(description);
  native.runProgramSync(fill, [], noScalars);
  native.disposeProgram(fill);
  const call = { kernel, tensors: operands.map((_, i) => i), outputs: 1, attrs };
  return { ...description, calls: [call], commitStart: 1 };
}

interface Best {
  readonly nanoseconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** The shortest of several runs, after one to warm up. */
function best(kernel: string, operands: readonly Dims[], attrs: native.KernelAttrs): Best {
  const description = singleCall(kernel, operands, attrs);
  const program = native.createProgram(description);
  const elapsed = (): number => native.profileProgram(program)[0]?.nanoseconds ?? 0;
  const run = (): number => {
    const before = elapsed();
    native.runProgramSync(program, [], noScalars);
    return elapsed() - before;
  };
  try {
    run();
    let shortest = Infinity;
    for (let i = 0, total = 0; i < repeats || total < leastNanoseconds; i++) {
      const time = run();
      total += time;
      shortest = Math.min(shortest, time);
    }
    const { flops = 0, bytes = 0 } = native.profileProgram(program)[0] ?? {};
    return { nanoseconds: shortest, flops, bytes };
  } finally {
    native.disposeProgram(program);
    for (const buffer of description.buffers) native.disposeBuffer(buffer);
  }
}

/** Two blocks per thread, so that no thread waits for more than half of a run's noise. */
function arithmetic(kernel: 'fma_peak' | 'bf16_peak', threads: number): number {
  // An iteration on tiles takes ten times as long as one on vectors.
  const iterations = kernel === 'fma_peak' ? 2_000_000 : 200_000;
  const { flops, nanoseconds } = best(kernel, [[2 * threads, 16]], { iterations });
  return flops / nanoseconds;
}

function triad(bytes: number): Triad {
  const dims = [Math.floor(bytes / 12)];
  const rate = (streaming: boolean): number => {
    const { bytes: moved, nanoseconds } = best('triad', [dims, dims, dims], { streaming });
    return moved / nanoseconds;
  };
  return { bytes, plain: rate(false), streaming: rate(true) };
}

/** Takes about a second and 400 MB. Uses the threads that `setThreads` granted. */
export function measurePeaks(): Peaks {
  const { threads } = native.info();
  return {
    gflops: arithmetic('fma_peak', threads),
    bf16Gflops: arithmetic('bf16_peak', threads),
    memory: triad(memoryBytes),
    cache: triad(cacheBytes),
  };
}

/** The bandwidth that a call touching `bytes` could have, in GB/s. */
export function bandwidthFor({ memory, cache }: Peaks, bytes: number): number {
  const fromMemory = Math.max(memory.plain, memory.streaming);
  return bytes > cacheBytes ? fromMemory : Math.max(fromMemory, cache.plain, cache.streaming);
}

/**
 * The roofline (Williams, Waterman, Patterson 2009): the least milliseconds that a call of this work can
 * take. Kernels of bf16 products have names that end in _bf16.
 */
export function leastMs(
  peaks: Peaks,
  work: { readonly kernel: string; readonly flops: number; readonly bytes: number },
): number {
  const computing = work.flops / (work.kernel.endsWith('_bf16') ? peaks.bf16Gflops : peaks.gflops);
  const moving = work.bytes / bandwidthFor(peaks, work.bytes);
  return Math.max(computing, moving) / 1e6;
}
