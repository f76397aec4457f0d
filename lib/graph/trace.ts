/**
 * What compile() records besides ops: assignments, the modules that took part, random draws. There is one
 * trace per compile(), and none outside it.
 */
import { DTypeError, ShapeError, TraceError } from '../errors';
import type { RandomState } from '../random';
import { formatShape, sameShape } from '../tensor/shape';
import type { Storage } from '../tensor/storage';
import { checkTensor, type Tensor } from '../tensor/tensor';

/** Something whose state a compiled program depends on: the root of a module tree. */
export interface TraceDependency {
  /** Changes whenever a program compiled from it would change. */
  signature(): string;
}

/** What JavaScript does each time a compiled program runs. */
export interface RunHooks {
  /** The run is in the queue; its scalars have been read. */
  queued(): void;
  /** The run committed nothing: a number was not finite, an input was at fault, or it was aborted. */
  refused(): void;
}

/** Statistics of a batch, which move running ones. */
export interface BatchStatistics {
  /** Persistent buffers, of the shapes of `batch`. */
  readonly running: readonly [mean: Tensor, variance: Tensor];
  readonly batch: readonly [mean: Tensor, variance: Tensor];
  /** A runtime scalar: the share of the batch. */
  readonly momentum: Tensor;
  /** Values behind each number of `batch`, whose variance is the biased one. Infinity: it is unbiased. */
  readonly count: number;
}

export class Trace {
  readonly random: RandomState;
  readonly assigned = new Map<Storage, Tensor>();
  readonly dependencies = new Map<TraceDependency, string>();
  readonly hooks: RunHooks[] = [];
  /** Storages that other tensors replace for a while, in reads and assignments: see `withSubstitutes`. */
  substitutes: ReadonlyMap<Storage, Tensor> = new Map();
  usesRandom = false;
  /**
   * The number of examples in a batch, where each draws by its place among those of all batches: the random
   * state holds the place of the first. Undefined where examples draw by their place in the batch.
   */
  examples: number | undefined;
  /**
   * Where layers leave the statistics of a batch that is a part of a larger one; undefined where they move
   * their running statistics themselves.
   */
  statistics: BatchStatistics[] | undefined;
  /**
   * The shards of the whole batch, where batch norm takes its statistics of all of them; undefined where it
   * normalizes what is recorded by itself.
   */
  syncedShards: number | undefined;
  private readonly ordinals = new Map<string, number>();

  constructor(random: RandomState) {
    this.random = random;
  }

  depend(on: TraceDependency): void {
    if (!this.dependencies.has(on)) this.dependencies.set(on, on.signature());
  }

  /** Registers counters that every run of the recorded program advances. */
  onRun(hooks: RunHooks): void {
    this.hooks.push(hooks);
  }

  /** How many draws this stream has made in this trace so far. Counts one more. */
  nextOrdinal(stream: string): number {
    const ordinal = this.ordinals.get(stream) ?? 0;
    this.ordinals.set(stream, ordinal + 1);
    return ordinal;
  }
}

let current: Trace | undefined;
let scope = '';

export function currentTrace(): Trace | undefined {
  return current;
}

/** Runs `fn` while `trace` records. */
export function withTrace<R>(trace: Trace, fn: () => R): R {
  if (current !== undefined)
    throw new TraceError('compile: a function that is being compiled cannot run a compiled function');
  current = trace;
  try {
    return fn();
  } finally {
    current = undefined;
  }
}

/** The layer whose forward() is running. */
export function currentScope(): string {
  return scope;
}

export function withScope<R>(name: string, fn: () => R): R {
  const outer = scope;
  scope = name;
  try {
    return fn();
  } finally {
    scope = outer;
  }
}

/**
 * Runs `fn`, a part of the function that is being recorded, with other memory in place of some storages. A
 * model can compute with averaged weights, for example, while its own stay as they are.
 * @throws TraceError outside compile()
 */
export function withSubstitutes<R>(where: string, substitutes: ReadonlyMap<Storage, Tensor>, fn: () => R): R {
  if (current === undefined) throw new TraceError(`${where}: call it in a function given to compile()`);
  const outer = current.substitutes;
  current.substitutes = substitutes;
  try {
    return fn();
  } finally {
    current.substitutes = outer;
  }
}

function substituted(t: Tensor): Tensor {
  if (current === undefined || t.source.kind !== 'storage') return t;
  return current.substitutes.get(t.source.storage) ?? t;
}

/** A read of a storage that this trace has assigned sees the assigned value. */
export function resolveAssigned(given: Tensor): Tensor {
  const t = substituted(given);
  if (current === undefined || t.source.kind !== 'storage') return t;
  return current.assigned.get(t.source.storage) ?? t;
}

/**
 * Writes `value` to the persistent buffer behind `target` at the end of each run of the program that is being
 * compiled. Later reads in the same trace already see the new value. Pruned elements of a parameter stay 0. A
 * step whose loss or gradients are not finite writes nothing (`finiteGuard`).
 * @throws TraceError outside compile(), or when `target` has no memory of its own; ShapeError, DTypeError
 *   when they differ
 */
export function assign(target: Tensor, value: Tensor): void {
  if (current === undefined) throw new TraceError('assign: only a function given to compile() can assign');
  checkTensor('assign', 'the target', target);
  checkTensor('assign', 'the value', value);
  const { source } = substituted(target);
  if (source.kind !== 'storage')
    throw new TraceError('assign: the target must be a parameter or a persistent buffer');
  if (!sameShape(target.shape, value.shape)) {
    throw new ShapeError(
      `assign: the target is ${formatShape(target.shape)}, the value ${formatShape(value.shape)}`,
    );
  }
  if (target.dtype !== value.dtype)
    throw new DTypeError(`assign: the target is ${target.dtype}, the value ${value.dtype}`);
  current.assigned.set(source.storage, resolveAssigned(target.admit(value)));
}

/**
 * Runs `fn` in the trace that is recording, and drops what it assigns: for looking at a model without
 * changing its statistics.
 */
export function withoutAssignments<R>(fn: () => R): R {
  const trace = current;
  if (trace === undefined) return fn();
  const before = new Map(trace.assigned);
  try {
    return fn();
  } finally {
    trace.assigned.clear();
    for (const [storage, value] of before) trace.assigned.set(storage, value);
  }
}
