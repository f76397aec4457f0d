/** From a function and its arguments to a program: recording, passes, lowering, in slices. */
import { DTypeError, TraceError } from '../errors';
import type { AnyArray, Target } from '../native';
import { defaultRandom, type RandomState } from '../random';
import { bytesPerElement, type Precision } from '../tensor/dtype';
import { Storage } from '../tensor/storage';
import { defaultTarget } from '../tensor/target';
import { Tensor, type TensorType } from '../tensor/tensor';
import { LazyTensor } from '../tensor/lazy';
import { Parameter } from '../tensor/parameter';
import type { Leaf } from '../graph/lowering';
import { resolveAssigned, Trace, withTrace } from '../graph/trace';
import { fromLogical, toLogical } from '../ops/layout';
import { capture } from './ir';
import { commitSection } from './commit';
import { inLockstep } from './lockstep';
import { lowerGraph, type Lowered } from './lower';
import { runPasses } from './passes';
import { autocast } from './passes/precision';
import { Program } from './program';
import { flatten, listOf, type Tree } from './tree';

export interface CompileOptions {
  /**
   * Seed and step of random draws. Default: one state with seed 0, shared by everything that is compiled
   * without a state of its own.
   */
  readonly random?: RandomState;
  /**
   * `predict` runs ahead of training steps. Between runs it keeps what depends on parameters alone: packed
   * weights, and batch norms folded into the layers before them. `train` folds and keeps only what is frozen.
   * Folding changes results by about 1e-6 relative. Default `train`.
   */
  readonly queue?: 'train' | 'predict';
  /**
   * Programs kept, one per signature of arguments and modules; the least recently used is dropped. Default 8.
   */
  readonly cacheSize?: number;
  /**
   * `bf16` stores activations and their gradients as bf16; the reference target ignores it. Default `fp32`.
   */
  readonly precision?: Precision;
  /** `false` switches fusion off, for comparison. Default true. */
  readonly fuse?: boolean;
}

/** A program, and what it was recorded from. */
export interface Entry<R> {
  readonly program: Program;
  /** Where several parts were recorded, that of the first: each depends on the same modules. */
  readonly trace: Trace;
  readonly result: Tree<R>;
  readonly outputTypes: readonly TensorType[];
}

/** Work that may pause wherever it yields. */
export type Slices<T> = Generator<undefined, T, undefined>;

/** Data tensors travel with each run; tensors with memory of their own are bound to the program. */
export function isRunInput(t: Tensor): boolean {
  return !(t instanceof Parameter) && t.source.kind === 'host';
}

/** What a run of the function has recorded. */
interface Recorded<R> {
  readonly trace: Trace;
  readonly target: Target;
  readonly runInputs: readonly Tensor[];
  readonly result: Tree<R>;
  /** The leaves of the result, as they leave the program. */
  readonly outputs: readonly Tensor[];
}

/** How a part finds its own among what a program is given. */
interface Place {
  /** Where its inputs begin. */
  readonly inputs: number;
  readonly scalar: (get: () => number) => () => number;
}

const alone: Place = { inputs: 0, scalar: (get) => get };

export function* record<A extends unknown[], R>(
  fn: (...args: A) => R,
  args: A,
  options: CompileOptions,
): Slices<Entry<R>> {
  const recorded = trace(fn, args, options);
  yield;
  return programOf(recorded, yield* lower(recorded, options, alone), options);
}

/**
 * Records the function for each list of arguments by itself, and makes one program of all that runs them in
 * lockstep. `enter` is called before the runtime scalars of a part are read.
 */
export function* recordTogether<A extends unknown[], R>(
  fn: (...args: A) => R,
  parts: readonly A[],
  options: CompileOptions,
  enter: (part: number) => void,
): Slices<Entry<R[]>> {
  const recorded: Recorded<R>[] = [];
  const lowered: Lowered[] = [];
  let inputs = 0;
  for (const [part, args] of parts.entries()) {
    const one = trace(fn, args, options);
    yield;
    const scalar = entering(() => enter(part));
    lowered.push(yield* lower(one, options, { inputs, scalar }));
    recorded.push(one);
    inputs += one.runInputs.length;
  }
  const all = {
    ...recorded[0]!,
    runInputs: recorded.flatMap(({ runInputs }) => runInputs),
    result: listOf(recorded.map(({ result }) => result)),
  };
  return programOf(all, inLockstep(lowered), options);
}

/** Getters that enter first: one for each that is given. */
function entering(enter: () => void): Place['scalar'] {
  const known = new Map<() => number, () => number>();
  return (get) => {
    const before = known.get(get);
    if (before !== undefined) return before;
    const entered = (): number => {
      enter();
      return get();
    };
    known.set(get, entered);
    return entered;
  };
}

function trace<A extends unknown[], R>(fn: (...args: A) => R, args: A, options: CompileOptions): Recorded<R> {
  const trace = new Trace(options.random ?? defaultRandom);
  const target = defaultTarget();
  const flat = flatten(args, 'compile: argument');
  const runInputs = flat.leaves.filter(isRunInput);
  // Each place gets an input of its own: one tensor may fill two places now, and not the next time.
  let inputs = 0;
  const placeholders = flat.leaves.map((t) => {
    if (!isRunInput(t)) return t;
    return new Tensor(t.shape, t.dtype, { kind: 'input', trace, index: inputs++ });
  });
  const recorded = withTrace(trace, () => {
    const logical = placeholders.map((t) => (t.source.kind === 'input' ? fromLogical(t) : t));
    const returned = fn(...flat.rebuild(logical));
    if (returned instanceof Promise) {
      returned.catch(() => undefined); // the error below says more than one from inside
      throw new TraceError('compile: the function is async; ops only record, so nothing needs awaiting');
    }
    const result = flatten(returned, 'compile: returned value');
    return { result, outputs: result.leaves.map((t) => toLogical(resolveAssigned(t))) };
  });
  return { trace, target, runInputs, ...recorded };
}

function* lower<R>(recorded: Recorded<R>, options: CompileOptions, place: Place): Slices<Lowered> {
  const { trace, target, outputs } = recorded;
  const captured = capture(outputs, trace.assigned, leavesIn(trace, target, place));
  const predict = options.queue === 'predict';
  const mixed = options.precision === 'bf16' && target === 'native';
  const graph = mixed ? autocast(captured, predict) : captured;
  yield;
  const optimized = runPasses(graph, { fuse: options.fuse !== false, predict });
  yield;
  const lowered = lowerGraph(optimized, commitSection(optimized), target);
  yield;
  return lowered;
}

function programOf<R>(
  { trace, target, runInputs, result }: Pick<Recorded<R>, 'trace' | 'target' | 'runInputs' | 'result'>,
  lowered: Lowered,
  { queue = 'train' }: CompileOptions,
): Entry<R> {
  const writes = [...trace.assigned.keys()];
  const inputBytes = runInputs.map((t) => t.size * bytesPerElement(t.dtype, target));
  const program = new Program(lowered, { target, queue, inputBytes, writes });
  const outputTypes = result.leaves.map(({ shape, dtype }) => ({ shape, dtype }));
  return { program, trace, result, outputTypes };
}

/** What the tensors of a trace that no op made become in a program. */
function leavesIn(trace: Trace, target: Target, place: Place): (t: Tensor) => Leaf {
  return (t) => {
    const source = t.source;
    switch (source.kind) {
      case 'storage':
        if (source.storage.target !== target)
          throw new DTypeError(
            `compile: a tensor of target ${source.storage.target} in a program for ${target}`,
          );
        return { kind: 'storage', storage: source.storage, untrained: isUntrained(t) };
      case 'scalar':
        return { kind: 'scalar', get: place.scalar(source.get) };
      case 'input':
        if (source.trace !== trace)
          throw new TraceError(
            'compile: a tensor of another compiled function was used; pass it as an argument',
          );
        return { kind: 'input', index: place.inputs + source.index };
      case 'host':
        return { kind: 'storage', storage: constantStorage(t, source.array, target) };
      case 'node':
        throw new TraceError('compile: internal error, a node is not a leaf');
    }
  };
}

function isUntrained(t: Tensor): boolean {
  return t instanceof Parameter ? !t.requiresGrad : t instanceof LazyTensor;
}

/** A literal tensor inside the function becomes memory of the program. */
function constantStorage(t: Tensor, array: AnyArray, target: Target): Storage {
  const storage = new Storage(t.shape, t.dtype, target);
  storage.fill(array);
  return storage;
}
