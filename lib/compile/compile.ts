/**
 * compile(fn): records fn once per signature of its arguments and runs the resulting program from then on.
 */
import { setImmediate } from 'node:timers/promises';
import { DTypeError, NonFiniteError, OptionError, TraceError } from '../errors';
import { checkKeys, oneOf, positiveInteger, show } from '../options';
import type { AnyArray, RunResult, Target } from '../native';
import { defaultRandom, type RandomState } from '../random';
import { bytesPerElement, PRECISIONS, type Precision } from '../tensor/dtype';
import { Storage } from '../tensor/storage';
import { defaultTarget } from '../tensor/target';
import { Tensor, type TensorType } from '../tensor/tensor';
import { LazyTensor } from '../tensor/lazy';
import { Parameter } from '../tensor/parameter';
import type { Leaf } from '../graph/lowering';
import { resolveAssigned, Trace, withTrace } from '../graph/trace';
import { fromLogical, toLogical } from '../ops/layout';
import { capture, checkFresh } from './ir';
import { commitSection } from './commit';
import { lowerGraph } from './lower';
import { runPasses } from './passes';
import { autocast } from './passes/precision';
import { Program, type KernelProfile } from './program';
import { flatten, type Tree } from './tree';

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

export interface Compiled<A extends unknown[], R> {
  /** Queues one run: a single call into the addon. Resolves with what `fn` returned, values included. */
  (...args: A): Promise<R>;
  /** Like a call, but blocks until the run is done. For scripts. */
  runSync(...args: A): R;
  /** Compiles for these arguments without running. */
  prepare(...args: A): Program;
  /**
   * As `prepare`, but gives the event loop a turn between recording, planning and building the program. Each
   * takes some ten milliseconds for a deep network. A call with the same arguments then compiles nothing.
   */
  prepareAsync(...args: A): Promise<Program>;
  /** Per-kernel time, work and traffic of every program compiled so far. */
  profile(): KernelProfile[][];
  /**
   * Ends the runs that have not returned yet: each rejects with an AbortedError and has changed nothing. A
   * run that has begun to write its results finishes; all others end after the kernel that is running.
   */
  cancel(): void;
  /** Frees the programs now. */
  dispose(): void;
}

interface Entry<R> {
  readonly program: Program;
  readonly trace: Trace;
  readonly result: Tree<R>;
  readonly outputTypes: readonly TensorType[];
}

/**
 * Turns a function over tensors into one native program per signature. The function is called once per
 * signature, to record its ops. Later runs do not call it, so what it does besides ops happens once. It may
 * call `grad`, `assign`, modules, optimizers and losses.
 *
 * A run compiles again when the shapes or dtypes of the arguments, the mode or an attribute of a module, or
 * the set of trainable parameters have changed. A number behind `runtimeScalar` may change without that.
 *
 * @throws OptionError at once; TraceError when fn is async or returns something that is not made of tensors
 */
export function compile<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  if (typeof fn !== 'function') throw new OptionError(`compile: expected a function, got ${show(fn)}`);
  checkKeys('compile', options, ['random', 'queue', 'cacheSize', 'precision', 'fuse']);
  oneOf('compile', 'precision', options.precision ?? 'fp32', PRECISIONS);
  oneOf('compile', 'queue', options.queue ?? 'train', ['train', 'predict']);
  positiveInteger('compile', 'cacheSize', options.cacheSize ?? 8);
  const cache = new ProgramCache(fn, options);
  const run = async (...args: A): Promise<R> => {
    const [entry, inputs] = cache.lookup(args);
    const pending = entry.program.run(inputs);
    afterQueueing(entry);
    return finish(entry, await orRefuse(entry, pending));
  };
  return Object.assign(run, {
    runSync: (...args: A): R => {
      const [entry, inputs] = cache.lookup(args);
      const result = entry.program.runSync(inputs);
      afterQueueing(entry);
      return finish(entry, result);
    },
    prepare: (...args: A): Program => cache.lookup(args)[0].program,
    prepareAsync: async (...args: A): Promise<Program> => (await cache.prepare(args)).program,
    profile: (): KernelProfile[][] => cache.entries().map((entry) => entry.program.profile()),
    cancel: (): void => cache.cancel(),
    dispose: (): void => cache.clear(),
  });
}

function afterQueueing(entry: Entry<unknown>): void {
  if (entry.trace.usesRandom) entry.trace.random.step++;
  for (const hooks of entry.trace.hooks) hooks.queued();
}

function refuse(entry: Entry<unknown>): void {
  for (const hooks of entry.trace.hooks) hooks.refused();
}

async function orRefuse(entry: Entry<unknown>, pending: Promise<RunResult>): Promise<RunResult> {
  try {
    return await pending;
  } catch (error) {
    refuse(entry);
    throw error;
  }
}

function finish<R>(entry: Entry<R>, run: RunResult): R {
  if (run.nonfinite) {
    refuse(entry);
    throw new NonFiniteError('the loss or a gradient norm is not finite; nothing was updated by this step');
  }
  const values = run.outputs.map((array, i) => {
    const { shape, dtype } = entry.outputTypes[i]!;
    return new Tensor(shape, dtype, { kind: 'host', array });
  });
  return entry.result.rebuild(values);
}

class ProgramCache<A extends unknown[], R> {
  private readonly bySignature = new Map<string, Entry<R>[]>();
  private readonly recent: Entry<R>[] = [];

  constructor(
    private readonly fn: (...args: A) => R,
    private readonly options: CompileOptions,
  ) {}

  entries(): Entry<R>[] {
    return [...this.recent];
  }

  /**
   * From the program used last to the one used first, so that no run begins because the one before
   * it was cancelled.
   */
  cancel(): void {
    for (const entry of this.entries().reverse()) entry.program.cancel();
  }

  clear(): void {
    for (const entry of this.recent) entry.program.dispose();
    this.recent.length = 0;
    this.bySignature.clear();
  }

  /** The entry for these arguments, compiled if need be, and the arrays to run it with. */
  lookup(args: A): [Entry<R>, AnyArray[]] {
    const { leaves, signature } = signatureOf(args);
    const entry =
      this.find(signature) ?? this.remember(signature, atOnce(record(this.fn, args, this.options)));
    return [entry, leaves.filter(isRunInput).map(hostArray)];
  }

  /** The entry for these arguments, compiled in slices if need be. */
  async prepare(args: A): Promise<Entry<R>> {
    const { signature } = signatureOf(args);
    const known = this.find(signature);
    if (known !== undefined) return known;
    const made = await inSlices(record(this.fn, args, this.options));
    const meanwhile = this.find(signature);
    if (meanwhile === undefined) return this.remember(signature, made);
    made.program.dispose();
    return meanwhile;
  }

  private find(signature: string): Entry<R> | undefined {
    const entry = this.bySignature.get(signature)?.find(isCurrent);
    if (entry !== undefined) this.touch(entry);
    return entry;
  }

  private touch(entry: Entry<R>): void {
    if (this.recent[this.recent.length - 1] === entry) return;
    this.recent.splice(this.recent.indexOf(entry), 1);
    this.recent.push(entry);
  }

  private remember(signature: string, entry: Entry<R>): Entry<R> {
    const list = this.bySignature.get(signature) ?? [];
    list.push(entry);
    this.bySignature.set(signature, list);
    this.recent.push(entry);
    while (this.recent.length > (this.options.cacheSize ?? 8)) this.forget(this.recent.shift()!);
    return entry;
  }

  private forget(entry: Entry<R>): void {
    for (const [signature, list] of this.bySignature) {
      const at = list.indexOf(entry);
      if (at < 0) continue;
      list.splice(at, 1);
      if (list.length === 0) this.bySignature.delete(signature);
    }
    entry.program.dispose();
  }
}

/** What the programs for some arguments have in common, and the arguments in a row. */
function signatureOf(args: unknown[]): { readonly leaves: readonly Tensor[]; readonly signature: string } {
  const { leaves, structure } = flatten(args, 'compile: argument');
  for (const t of leaves) if (t.source.kind === 'node') checkFresh(t);
  const signature = `${defaultTarget()} ${structure} ${leaves.map(leafSignature).join(' ')}`;
  return { leaves, signature };
}

/** Work that may pause wherever it yields. */
type Slices<T> = Generator<undefined, T, undefined>;

function atOnce<T>(work: Slices<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

async function inSlices<T>(work: Slices<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    await setImmediate();
  }
}

/** Whether the modules that took part are still in the state they were recorded in. */
function isCurrent(entry: Entry<unknown>): boolean {
  for (const [dependency, signature] of entry.trace.dependencies)
    if (dependency.signature() !== signature) return false;
  return true;
}

/** Data tensors travel with each run; tensors with memory of their own are bound to the program. */
function isRunInput(t: Tensor): boolean {
  return !(t instanceof Parameter) && t.source.kind === 'host';
}

function hostArray(t: Tensor): AnyArray {
  if (t.source.kind !== 'host')
    throw new TraceError('compile: an argument has no values yet; await its data() first');
  return t.source.array;
}

function leafSignature(t: Tensor): string {
  const identity = isRunInput(t) ? '' : `#${t.id}`;
  return `${t.dtype}[${t.shape.join()}]${identity}`;
}

function* record<A extends unknown[], R>(
  fn: (...args: A) => R,
  args: A,
  options: CompileOptions,
): Slices<Entry<R>> {
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
  yield;
  return yield* build({ trace, target, runInputs, ...recorded }, options);
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

function* build<R>(recorded: Recorded<R>, options: CompileOptions): Slices<Entry<R>> {
  const { trace, target, result, outputs } = recorded;
  const captured = capture(outputs, trace.assigned, leavesIn(trace, target));
  const queue = options.queue ?? 'train';
  const predict = queue === 'predict';
  const mixed = options.precision === 'bf16' && target === 'native';
  const graph = mixed ? autocast(captured, predict) : captured;
  yield;
  const optimized = runPasses(graph, { fuse: options.fuse !== false, predict });
  yield;
  const lowered = lowerGraph(optimized, commitSection(optimized), target);
  yield;
  const writes = [...trace.assigned.keys()];
  const inputBytes = recorded.runInputs.map((t) => t.size * bytesPerElement(t.dtype, target));
  const program = new Program(lowered, { target, queue, inputBytes, writes });
  const outputTypes = result.leaves.map(({ shape, dtype }) => ({ shape, dtype }));
  return { program, trace, result, outputTypes };
}

/** What the tensors of a trace that no op made become in a program. */
function leavesIn(trace: Trace, target: Target): (t: Tensor) => Leaf {
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
        return { kind: 'scalar', get: source.get };
      case 'input':
        if (source.trace !== trace)
          throw new TraceError(
            'compile: a tensor of another compiled function was used; pass it as an argument',
          );
        return { kind: 'input', index: source.index };
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
