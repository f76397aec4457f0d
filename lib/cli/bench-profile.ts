/**
 * Time, work and memory of a model's step: as a whole and, against the roofline, of each kernel call in it.
 */
import { setImmediate } from 'node:timers/promises';
import type { KernelProfile } from '../compile/program';
import type { Precision } from '../tensor/dtype';
import { numel } from '../tensor/shape';
import { leastMs, measurePeaks, type Peaks } from './bench-peaks';
import { compileStep, type Step, type Subject } from './bench-model';

export interface CallFigures {
  readonly op: string;
  readonly layer: string;
  readonly kernel: string;
  /** Why it is as it is, where a rule has decided that. */
  readonly note?: string;
  /** Mean per step. */
  readonly ms: number;
  /** Share of the time of all kernels. */
  readonly share: number;
  readonly gflops: number;
  readonly gbs: number;
  /**
   * Least time by the roofline over the time taken. 1 is as fast as this machine can be; more means that data
   * was in a cache.
   */
  readonly ofLimit: number;
}

export interface StepMemory {
  /** Everything between input and output: one block, planned when the step is compiled. */
  readonly arena: number;
  readonly parameters: number;
  readonly optimizer: number;
  /** The most that this process held, Node.js included. */
  readonly peakResident: number;
}

export interface StepFigures {
  readonly steps: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly kernelMs: number;
  /** Mean time per step that no kernel accounts for. */
  readonly outsideMs: number;
  readonly examplesPerSecond: number;
  readonly gflops: number;
  readonly ofPeak: number;
  readonly memory: StepMemory;
  readonly peaks: Peaks;
  /** In the order in which they run. */
  readonly calls: readonly CallFigures[];
}

const warmupSteps = 3;

/** Runs the step. Stops early when `signal` fires, after measuring at least one step. */
export async function measureStep(
  subject: Subject,
  options: {
    readonly steps: number;
    readonly evaluate: boolean;
    readonly precision: Precision;
    readonly signal?: AbortSignal;
  },
): Promise<StepFigures> {
  const step = compileStep(subject, options.evaluate, options.precision);
  const stopped = (): boolean => options.signal?.aborted === true;
  for (let i = 0; i < warmupSteps && !stopped(); i++) {
    step.runSync();
    await setImmediate();
  }
  const before = callsOf(step);
  const times: number[] = [];
  while (times.length < options.steps && !(stopped() && times.length > 0)) {
    const begun = performance.now();
    step.runSync();
    times.push(performance.now() - begun);
    // A step blocks the event loop; between steps, the system's signals must get through.
    await setImmediate();
  }
  const calls = callsOf(step).map((call, i) => ({
    ...call,
    ms: (call.nanoseconds - (before[i]?.nanoseconds ?? 0)) / 1e6 / times.length,
  }));
  const memory = memoryOf(subject, step);
  step.dispose();
  // Peaks come last, because measuring them takes memory.
  return { ...summary(subject, options.precision, times, calls, measurePeaks()), memory };
}

function callsOf(step: Step): KernelProfile[] {
  return step.profile().flat();
}

type TimedCall = KernelProfile & { readonly ms: number };

function summary(
  { batch }: Subject,
  precision: Precision,
  times: readonly number[],
  calls: readonly TimedCall[],
  peaks: Peaks,
): Omit<StepFigures, 'memory'> {
  const sorted = [...times].sort((a, b) => a - b);
  const medianMs = sorted[sorted.length >> 1] ?? 0;
  const meanMs = sum(times) / times.length;
  const kernelMs = sum(calls.map(({ ms }) => ms));
  const gflops = sum(calls.map(({ flops }) => flops)) / medianMs / 1e6;
  return {
    steps: times.length,
    medianMs,
    minMs: sorted[0] ?? 0,
    meanMs,
    kernelMs,
    outsideMs: meanMs - kernelMs,
    examplesPerSecond: (1000 * batch) / medianMs,
    gflops,
    ofPeak: gflops / (precision === 'bf16' ? peaks.bf16Gflops : peaks.gflops),
    peaks,
    calls: calls.map((call) => figuresOf(call, kernelMs, peaks)),
  };
}

function figuresOf(
  { op, scope, kernel, note, flops, bytes, ms }: TimedCall,
  kernelMs: number,
  peaks: Peaks,
): CallFigures {
  // A call too short for the clock has no rate.
  const perSecond = (amount: number): number => (ms > 0 ? amount / ms / 1e6 : 0);
  return {
    op,
    layer: scope,
    kernel,
    ...(note !== undefined && { note }),
    ms,
    share: kernelMs > 0 ? ms / kernelMs : 0,
    gflops: perSecond(flops),
    gbs: perSecond(bytes),
    ofLimit: ms > 0 ? leastMs(peaks, { kernel, flops, bytes }) / ms : 0,
  };
}

function memoryOf({ model, optimizer }: Subject, step: Step): StepMemory {
  const bytes = (tensors: Iterable<{ readonly shape: readonly number[] }>): number =>
    sum([...tensors].map(({ shape }) => 4 * numel(shape)));
  return {
    arena: step.prepare().arenaBytes,
    parameters: bytes(model.parameters()),
    optimizer: bytes(optimizer.state().tensors.values()),
    peakResident: process.resourceUsage().maxRSS * 1024,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
