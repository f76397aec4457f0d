/**
 * The typed door to the addon, which lib/native/load.ts finds. Plain data goes in and typed errors come out;
 * nothing here knows what a layer is.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DataError } from './errors';
import { attempt, attemptAsync, use } from './native/door';
import { version } from './native/load';
import { tableOf, type AnyArray, type DType, type NativeBuffer, type ProgramDesc } from './native/program';
import type { QueueName, Target } from './native/program';
import { positive, positiveInteger, probability } from './options';

export { DTYPE_BYTES, DTYPE_CODES, MAX_RANK, TENSOR_ROW } from './native/program';
export type {
  AnyArray,
  CallDesc,
  DType,
  KernelAttrs,
  NativeBuffer,
  ProgramDesc,
  QueueName,
  Target,
} from './native/program';

declare const programBrand: unique symbol;

/** A compiled program. Freed by the garbage collector, or at once by {@link disposeProgram}. */
export interface ProgramHandle {
  readonly [programBrand]: true;
}

export interface RunResult {
  /** The array of each dtype; bf16 comes as Uint16Array. */
  readonly outputs: AnyArray[];
  readonly nonfinite: boolean;
}

/** Time of one call of a program over all its runs. FLOPs and bytes are those of one run. */
export interface CallProfile {
  readonly kernel: string;
  readonly calls: number;
  readonly nanoseconds: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface NativeInfo {
  readonly version: string;
  /** The instruction set in use. */
  readonly isa: string;
  readonly isaReason: string;
  /**
   * How products of precision bf16 are computed (`amx`, `avx512bf16` or `emulated`), and why. `fp32`: the
   * processor has no bf16 units, so such programs compute as those of precision fp32, which is faster.
   */
  readonly bf16: { readonly path: string; readonly reason: string };
  readonly features: string[];
  readonly cpu: string;
  readonly threads: number;
  readonly threadsReason: string;
  /** Whether a variable or the program chose that number; else it follows from the machine. */
  readonly threadsChosen: boolean;
  /** Whose threads they are: tenon's own, or those of an OpenMP runtime, where the addon was built for it. */
  readonly threadPool: 'team' | 'openmp';
  /**
   * The part of the executor's time that predictions may take while training waits, and where that
   * number comes from.
   */
  readonly predictionShare: number;
  readonly predictionShareReason: string;
  /**
   * Live bytes of buffers, arenas, copies in flight, and folded and packed weights; the number of live
   * programs; and the bytes that this process may have: those of the machine with its swap, or fewer where
   * its cgroup (the limit of its container) allows fewer.
   */
  readonly memory: {
    buffers: number;
    arenas: number;
    staging: number;
    derived: number;
    programs: number;
    limit: number;
  };
  readonly compiler: string;
  readonly build: string;
  /** The file of the addon. */
  readonly addon: string;
  /** Where it comes from: `local build`, or the platform package, as `@tenon/linux-x64-gnu 0.1.0`. */
  readonly origin: string;
}

interface Addon {
  info(): Omit<NativeInfo, 'version' | 'addon' | 'origin'>;
  augmentations(): string[];
  setThreads(threads: number): void;
  proposeThreads(threads: number, reason: string): void;
  coresOf(cpus: Float64Array): number;
  cpuQuota(): number;
  setPredictionShare(share: number): void;
  allocate(byteLength: number): NativeBuffer;
  disposeBuffer(buffer: NativeBuffer): void;
  writeBuffer(buffer: NativeBuffer, byteOffset: number, data: AnyArray): Promise<void>;
  writeBufferFrom(buffer: NativeBuffer, byteOffset: number, source: NativeBuffer): Promise<void>;
  writeBufferSync(buffer: NativeBuffer, byteOffset: number, data: AnyArray): void;
  fillBufferNow(buffer: NativeBuffer, byteOffset: number, data: AnyArray): void;
  readBuffer(buffer: NativeBuffer, byteOffset: number, dtype: DType, count: number): Promise<AnyArray>;
  readBufferSync(buffer: NativeBuffer, byteOffset: number, dtype: DType, count: number): AnyArray;
  createProgram(
    target: Target,
    queue: QueueName,
    arenaBytes: number,
    scalars: number,
    buffers: readonly NativeBuffer[],
    inputs: Float64Array,
    tensors: Float64Array,
    names: readonly string[],
    calls: Float64Array,
    constantCalls: number,
    commitStart: number,
    outputs: Float64Array,
  ): ProgramHandle;
  runProgram(program: ProgramHandle, inputs: readonly AnyArray[], scalars: Float64Array): Promise<RunResult>;
  runProgramSync(program: ProgramHandle, inputs: readonly AnyArray[], scalars: Float64Array): RunResult;
  profileProgram(program: ProgramHandle): CallProfile[];
  cancelProgram(program: ProgramHandle): void;
  disposeProgram(program: ProgramHandle): void;
}

function addon(): Addon {
  return use().addon as Addon;
}

/** Bytes copied in one turn of the event loop. */
const SLICE = 2 << 20;

/** Allocates zeroed memory. @throws OutOfMemoryError for more than this process may have */
export function allocate(byteLength: number): NativeBuffer {
  return attempt(() => addon().allocate(byteLength));
}

/** Drops the handle: later use throws. The memory is freed once the programs that hold it are gone, too. */
export function disposeBuffer(buffer: NativeBuffer): void {
  attempt(() => addon().disposeBuffer(buffer));
}

/**
 * Writes behind everything queued on the train queue. Up to 2 MB are copied during the call. More are copied
 * in slices of 2 MB, with turns of the event loop between them, and then queued as one write. Do not change
 * `data` until the promise settles, and await the promise before running a program that reads the buffer.
 */
export function writeBuffer(buffer: NativeBuffer, byteOffset: number, data: AnyArray): Promise<void> {
  return attemptAsync(() =>
    data.byteLength <= SLICE
      ? addon().writeBuffer(buffer, byteOffset, data)
      : writeSlices(buffer, byteOffset, data),
  );
}

async function writeSlices(buffer: NativeBuffer, byteOffset: number, data: AnyArray): Promise<void> {
  const length = data.byteLength;
  if (!(byteOffset + length <= buffer.byteLength)) {
    throw new RangeError(`${length} bytes at ${byteOffset} do not fit a buffer of ${buffer.byteLength}`);
  }
  const staged = addon().allocate(length);
  try {
    for (let from = 0; from < length; from += SLICE) {
      if (from > 0) await nextTurn();
      if (data.byteLength !== length)
        throw new DataError('writeBuffer: the array was detached or resized meanwhile');
      const slice = new Uint8Array(data.buffer, data.byteOffset + from, Math.min(SLICE, length - from));
      addon().fillBufferNow(staged, from, slice);
    }
    await addon().writeBufferFrom(buffer, byteOffset, staged);
  } finally {
    addon().disposeBuffer(staged);
  }
}

/** Writes behind everything queued on the train queue, and waits for it. */
export function writeBufferSync(buffer: NativeBuffer, byteOffset: number, data: AnyArray): void {
  attempt(() => addon().writeBufferSync(buffer, byteOffset, data));
}

/** Copies at once, past the queue: for rows of a data set that no queued program reads yet. */
export function fillBufferNow(buffer: NativeBuffer, byteOffset: number, data: Uint8Array): void {
  attempt(() => addon().fillBufferNow(buffer, byteOffset, data));
}

/** Copies memory out, behind everything queued on the train queue. */
export function readBuffer(
  buffer: NativeBuffer,
  byteOffset: number,
  dtype: DType,
  count: number,
): Promise<AnyArray> {
  return attemptAsync(() => addon().readBuffer(buffer, byteOffset, dtype, count));
}

/** As {@link readBuffer}, but waits for the copy. */
export function readBufferSync(
  buffer: NativeBuffer,
  byteOffset: number,
  dtype: DType,
  count: number,
): AnyArray {
  return attempt(() => addon().readBufferSync(buffer, byteOffset, dtype, count));
}

/**
 * Checks a description and builds the program.
 * @throws NativeError naming the call, its kernel and the problem
 */
export function createProgram(desc: ProgramDesc): ProgramHandle {
  const { names, table } = tableOf(desc.calls);
  return attempt(() =>
    addon().createProgram(
      desc.target,
      desc.queue,
      desc.arenaBytes,
      desc.scalars,
      desc.buffers,
      Float64Array.from(desc.inputs),
      desc.tensors,
      names,
      table,
      desc.constantCalls,
      desc.commitStart,
      Float64Array.from(desc.outputs),
    ),
  );
}

/**
 * Runs a program once: copies inputs and scalars during the call, queues the run, and resolves with the
 * outputs. Rejects with a DataError for faults that depend on the data, such as a label out of range.
 */
export function runProgram(
  program: ProgramHandle,
  inputs: readonly AnyArray[],
  scalars: Float64Array,
): Promise<RunResult> {
  return attemptAsync(() => addon().runProgram(program, inputs, scalars));
}

/** As {@link runProgram}, but waits for the run, which reads the inputs where they lie. */
export function runProgramSync(
  program: ProgramHandle,
  inputs: readonly AnyArray[],
  scalars: Float64Array,
): RunResult {
  return attempt(() => addon().runProgramSync(program, inputs, scalars));
}

/** One row per call of the program, in order. */
export function profileProgram(program: ProgramHandle): CallProfile[] {
  return attempt(() => addon().profileProgram(program));
}

/**
 * Makes queued and running jobs of the program reject with an AbortedError. One that has begun
 * to commit finishes.
 */
export function cancelProgram(program: ProgramHandle): void {
  attempt(() => addon().cancelProgram(program));
}

/** Drops the handle: later use throws. Jobs in flight finish. */
export function disposeProgram(program: ProgramHandle): void {
  attempt(() => addon().disposeProgram(program));
}

/** Describes the processor, the instruction set in use, the threads and why, the build, and live memory. */
export function info(): NativeInfo {
  const { file, origin } = attempt(use);
  return { ...attempt(() => addon().info()), version, addon: file, origin };
}

/** The operations of the kernel augment_images: a program names one by its place in this list. */
export function augmentations(): readonly string[] {
  return attempt(() => addon().augmentations());
}

/** Sets how many threads kernels use, from the next job on. Results do not depend on it. */
export function setThreads(threads: number): void {
  positiveInteger('setThreads', 'threads', threads);
  attempt(() => addon().setThreads(threads));
}

/** As {@link setThreads}, unless a variable or the program has chosen. `reason` is for people. */
export function proposeThreads(threads: number, reason: string): void {
  attempt(() => addon().proposeThreads(threads, reason));
}

/** How many physical cores are behind CPUs of this machine, which are called by their numbers. */
export function coresOf(cpus: readonly number[]): number {
  return attempt(() => addon().coresOf(Float64Array.from(cpus)));
}

/** CPUs that the cgroup of this process allows; Infinity where there is no limit. */
export function cpuQuota(): number {
  return attempt(() => addon().cpuQuota());
}

/**
 * Sets how much of the executor's time predictions may take while training waits, for the whole process and
 * from now on: above 0, and at most 1, which lets predictions always go first. Default 0.5, or
 * TENON_PREDICTION_SHARE. Results do not depend on it.
 * @throws OptionError
 */
export function setPredictionShare(share: number): void {
  probability('setPredictionShare', 'share', positive('setPredictionShare', 'share', share));
  attempt(() => addon().setPredictionShare(share));
}
