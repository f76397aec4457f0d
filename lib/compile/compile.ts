/**
 * compile(fn): records fn once per signature of its arguments and runs the resulting program from then on.
 */
import { setImmediate } from 'node:timers/promises';
import { NonFiniteError, OptionError, TraceError } from '../errors';
import { checkKeys, oneOf, positiveInteger, show } from '../options';
import type { AnyArray, RunResult } from '../native';
import { PRECISIONS } from '../tensor/dtype';
import { defaultTarget } from '../tensor/target';
import { Tensor } from '../tensor/tensor';
import { checkFresh } from './ir';
import type { KernelProfile, Program } from './program';
import { isRunInput, record, recordTogether, type CompileOptions, type Entry, type Slices } from './record';
import { flatten } from './tree';

export type { CompileOptions };

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
  return overCache(new ProgramCache((args: A) => record(fn, args, options), options.cacheSize));
}

/**
 * As `compile`, for a function that computes parts of a batch: each argument is the list of those of one
 * part, and the result is the list of all parts' results. All parts run in one program and meet where their
 * ops do (`Lowering.callTogether`). Random draws count one run.
 * @param enter called before the runtime scalars of a part are read, so that each part has its own
 */
export function compileTogether<A extends unknown[], R>(
  fn: (...args: A) => R,
  enter: (part: number) => void,
  options: CompileOptions,
): Compiled<A[], R[]> {
  const recorder = (parts: A[]) => recordTogether(fn, parts, options, enter);
  return overCache(new ProgramCache(recorder, options.cacheSize));
}

function overCache<A extends unknown[], R>(cache: ProgramCache<A, R>): Compiled<A, R> {
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
    private readonly record: (args: A) => Slices<Entry<R>>,
    private readonly size = 8,
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
    const entry = this.find(signature) ?? this.remember(signature, atOnce(this.record(args)));
    return [entry, leaves.filter(isRunInput).map(hostArray)];
  }

  /** The entry for these arguments, compiled in slices if need be. */
  async prepare(args: A): Promise<Entry<R>> {
    const { signature } = signatureOf(args);
    const known = this.find(signature);
    if (known !== undefined) return known;
    const made = await inSlices(this.record(args));
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
    while (this.recent.length > this.size) this.forget(this.recent.shift()!);
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

function hostArray(t: Tensor): AnyArray {
  if (t.source.kind !== 'host')
    throw new TraceError('compile: an argument has no values yet; await its data() first');
  return t.source.array;
}

function leafSignature(t: Tensor): string {
  const identity = isRunInput(t) ? '' : `#${t.id}`;
  return `${t.dtype}[${t.shape.join()}]${identity}`;
}
