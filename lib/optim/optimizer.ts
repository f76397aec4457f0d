/**
 * What all optimizers share: parameter groups, state per parameter, clipping, accumulation, the step count
 * and the finite guard.
 */
import { FormatError, ShapeError, TraceError } from '../errors';
import type { Gradients } from '../compile/grad';
import { assign, currentTrace, withScope, type Trace } from '../graph/trace';
import type { AnyArray } from '../native';
import * as ops from '../ops';
import type { Flags, UpdateRule } from '../ops/update';
import { checkKeys, clip, nonNegative, positive, show } from '../options';
import type { Check, Declared } from '../settings';
import type { Parameter } from '../tensor/parameter';
import { formatShape, sameShape, type Shape } from '../tensor/shape';
import { persistent, runtimeScalar, zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import { Accumulator, type BatchWeight } from './accumulate';
import type { Declaration } from './declaration';
import { matcher, type ParameterGroup } from './groups';
import { checkedScalar, liveNumbers, numberScalars, type ScalarsByName } from './scalars';

/**
 * State as it is kept in checkpoints. Entry `exp_avg/features.0.weight` is that parameter's first moment,
 * in logical order.
 */
export interface OptimizerState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Steps before the first of a parameter, where there were any: of a layer that was frozen at first. */
  readonly born: ReadonlyMap<string, number>;
}

/** State read back from a checkpoint. */
export interface LoadedOptimizerState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: AnyArray }>;
  readonly born?: ReadonlyMap<string, number>;
}

/** Options of `Optimizer.update`. */
export interface UpdateOptions {
  /**
   * Samples of this batch: the update goes by the mean over them and all that `accumulate` took in since the
   * last update. For a weighted mean: the sum of weights that it was divided by (`Loss.divisor`), f32 of rank
   * 0. Default: by this batch alone.
   */
  readonly samples?: BatchWeight;
}

/** The values of settings that every optimizer has. */
interface Common {
  readonly lr: number;
  readonly weightDecay: number;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly maxNorm?: number;
  readonly groups: readonly Group[];
}

/** As options have it; a group's own numbers are checked. */
type Group = Partial<ParameterGroup> & Readonly<Record<string, unknown>>;

interface LiveGroup {
  readonly matches: (name: string, parameter: Parameter) => boolean;
  /** For parameters whose first step is the one after `born`. */
  readonly scalars: (born: number) => ScalarsByName;
  /** The largest norm of an output unit's weights, where there is one. */
  readonly limit: Tensor | undefined;
}

/**
 * What changes weights by their gradients; made by `optim.sgd` and the like. A Trainer uses it; in a loop of
 * your own `update` records a step. `H`: numbers that groups may set.
 */
export abstract class Optimizer<H extends object = object> {
  /** Short name, for reports and checkpoints: `sgd`. */
  readonly kind: string;
  /** Learning rate. May be changed between steps; nothing is compiled anew. */
  lr: number;
  /** Multiplies the learning rate of every group: what schedules set. */
  lrFactor = 1;
  weightDecay: number;
  /** Largest norm of all gradients together, or undefined for no limit. */
  readonly clipNorm: number | undefined;
  /** Largest size of a gradient's element, or undefined for no limit. */
  readonly clipValue: number | undefined;
  /** Largest norm of an output unit's weights; may be changed between steps where it was given. */
  maxNorm: number | undefined;
  /** Steps queued so far, less those that committed nothing. */
  step = 0;
  /** `optim.sgd`, in front of messages. */
  protected readonly where: string;
  private readonly numbers: Declared;
  private readonly rule: UpdateRule;
  private readonly flags: Flags<string>;
  private readonly slotNames: readonly string[];
  private readonly slotInitial: number;
  private readonly groupOptions: readonly Group[];
  private liveGroups: readonly LiveGroup[] | undefined;
  private readonly slots = new Map<string, PersistentTensor>();
  /** What parameters are called in the keys of slots: two modules of their own may both have a `weight`. */
  private names = new WeakMap<Parameter, string>();
  private readonly taken = new Set<string>();
  /** Steps before the first of a parameter, by that name. */
  private readonly born = new Map<string, number>();
  /** What the guard of a program that is being recorded looks at. */
  private readonly watched = new WeakMap<Trace, readonly Tensor[]>();
  private readonly accumulator = new Accumulator();
  private guard: PersistentTensor | undefined;

  protected constructor(declaration: Declaration, options: unknown) {
    const { kind, settings, numbers, rule } = declaration;
    this.kind = kind;
    this.where = `optim.${kind}`;
    const values = settings.read(this.where, options);
    declaration.check?.(this.where, values);
    this.numbers = numbers;
    this.rule = rule;
    this.flags = declaration.flags(values, kind);
    this.slotNames = declaration.states(values);
    this.slotInitial = declaration.initial?.(values) ?? 0;
    const { lr, weightDecay, clipNorm, clipValue, maxNorm, groups, ...own } = values as Common;
    this.lr = lr;
    this.weightDecay = weightDecay;
    this.clipNorm = clipNorm;
    this.clipValue = clipValue;
    this.maxNorm = maxNorm;
    this.groupOptions = groups;
    Object.assign(this, own);
  }

  /**
   * Records one update of every parameter that has a gradient. What is pruned of a parameter stays 0, in its
   * gradient and state as well. Only inside a function given to `compile`. When the loss or the norm of the
   * gradients is not finite, the run commits nothing and rejects with a NonFiniteError, and so do all later
   * runs until `resetGuard()`.
   * @throws TraceError outside compile(), or when no parameter has a gradient
   */
  update(gradients: Gradients, options: UpdateOptions = {}): void {
    checkKeys('optimizer.update', options, ['samples']);
    const { trace, entries, squares } = this.begin('update', gradients);
    if (options.samples === undefined) this.accumulator.discardAtRun(trace);
    const means =
      options.samples === undefined ? entries : this.accumulator.mean(trace, entries, options.samples);
    withScope('optimizer', () => {
      const { clipped, scale } = this.clip(means, means === entries ? squares : undefined);
      for (const group of this.groups()) {
        const members = clipped.filter(([p]) => this.groupOf(p) === group);
        for (const [born, alike] of groupBy(members, ([p]) => this.bornOf(p)))
          this.updateMembers(group, born, alike, scale);
      }
    });
    trace.onRun({ queued: () => void this.step++, refused: () => void this.step-- });
  }

  /**
   * Records that the gradients of a batch of `samples` wait for the next `update(gradients, { samples })`,
   * which goes by the mean over all samples: several small batches make the step of a large one, where the
   * loss is a mean over samples. A weighted mean counts by the sum of weights that it was divided by, a
   * tensor (`Loss.divisor`). Only inside `compile`; guarded as `update` is. A run that commits nothing
   * discards what was waiting.
   * @throws TraceError as update does; OptionError unless `samples` is a whole number of at least 1 or a
   *   tensor; ShapeError, DTypeError for one that is not f32 of rank 0. A run that counts by samples where
   *   batches wait that count by weights, or the other way round, fails with an OptionError
   */
  accumulate(gradients: Gradients, samples: BatchWeight): void {
    const { trace, entries } = this.begin('accumulate', gradients);
    this.accumulator.add(trace, entries, samples);
  }

  /** Forgets gradients that `accumulate` took in and no update has used. */
  discardAccumulated(): void {
    this.accumulator.discard();
  }

  /** Lets steps commit again after a NonFiniteError. Lands behind the steps queued before. */
  resetGuard(): void {
    this.guard?.storage.writeSync(Int32Array.of(0));
  }

  /** What a checkpoint has to keep. The tensors are live: read them before further steps are queued. */
  state(): OptimizerState {
    return {
      step: this.step,
      tensors: new Map([...this.slots].sort(([a], [b]) => (a < b ? -1 : 1))),
      born: new Map([...this.born].filter(([, step]) => step > 0)),
    };
  }

  /**
   * Checks what `loadState` will be given.
   * @throws FormatError when the step is not a count, or an entry is none of this optimizer's; ShapeError
   *   when one does not fit its parameter
   */
  checkState(state: LoadedOptimizerState): void {
    if (!Number.isSafeInteger(state.step) || state.step < 0) {
      throw new FormatError(
        `optimizer state: step must be a whole number of at least 0, got ${show(state.step)}`,
      );
    }
    for (const [key, { shape }] of state.tensors) {
      if (!this.slotNames.some((name) => key.startsWith(`${name}/`)))
        throw new FormatError(
          `optimizer state '${clip(key)}': ${this.where} with these options keeps ${this.slotNames.join(', ') || 'none'}`,
        );
      checkSlotShape(key, this.slots.get(key)?.shape ?? shape, shape);
    }
  }

  /**
   * Continues from a saved state; a state of before the first step has no entries. @throws as checkState,
   * before anything is changed
   */
  async loadState(state: LoadedOptimizerState): Promise<void> {
    this.checkState(state);
    this.discardAccumulated();
    this.born.clear();
    for (const [key, { shape }] of state.tensors) {
      if (!this.slots.has(key)) this.slots.set(key, zeros(shape));
      const name = key.slice(key.indexOf('/') + 1);
      this.born.set(name, state.born?.get(name) ?? 0);
    }
    await Promise.all(
      [...this.slots].map(([key, { size, storage }]) =>
        storage.write(state.tensors.get(key)?.data ?? new Float32Array(size).fill(this.slotInitial)),
      ),
    );
    this.step = state.step;
  }

  /** Frees the memory of the state now. */
  dispose(): void {
    for (const slot of this.slots.values()) slot.dispose();
    this.slots.clear();
    this.names = new WeakMap();
    this.taken.clear();
    this.born.clear();
    this.accumulator.dispose();
    this.guard?.dispose();
    this.guard = undefined;
  }

  /**
   * Runtime scalars of the rule that are not settings but follow from them. `numbers` are the group's as they
   * are at that moment; `steps` counts those that its parameters have taken.
   */
  protected derivedScalars(_numbers: Readonly<H>, _steps: () => number): ScalarsByName {
    return {};
  }

  /** The learning rate of the step being taken, from that of the group. */
  protected rate(lr: number, _numbers: Readonly<H>): number {
    return lr;
  }

  /** A number that is read anew, and checked, at each step. */
  protected scalar(name: string, check: Check<number>, get: () => unknown): Tensor {
    return checkedScalar(this.where, name, check, get);
  }

  /** Checks the call; guards the loss and the norm of the gradients as they come. */
  private begin(
    method: string,
    gradients: Gradients,
  ): {
    trace: Trace;
    entries: [Parameter, Tensor][];
    squares: Tensor;
  } {
    const trace = currentTrace();
    if (trace === undefined)
      throw new TraceError(`optimizer.${method}: call it in a function given to compile()`);
    const entries = gradients.entries().map(([p, g]): [Parameter, Tensor] => [p, p.admit(g)]);
    if (entries.length === 0)
      throw new TraceError(`optimizer.${method}: the loss depends on no parameter that requires a gradient`);
    return withScope('optimizer', () => {
      const squares = ops.sumSquares(entries.map(([, g]) => g));
      this.watch(trace, [ops.reshape(gradients.loss, []), squares]);
      return { trace, entries, squares };
    });
  }

  /** One guard a program, whatever it updates: the last of several would undo what the others found. */
  private watch(trace: Trace, values: readonly Tensor[]): void {
    const all = [...(this.watched.get(trace) ?? []), ...values];
    this.watched.set(trace, all);
    this.guard ??= zeros([1], 'i32');
    trace.assigned.delete(this.guard.storage);
    assign(this.guard, ops.finiteGuard(this.guard, all));
  }

  /** `squares` is the sum of squares of the gradients, where it is known already. */
  private clip(
    entries: [Parameter, Tensor][],
    squares: Tensor | undefined,
  ): { clipped: [Parameter, Tensor][]; scale: Tensor | undefined } {
    const { clipValue: most, clipNorm } = this;
    const clipped: [Parameter, Tensor][] =
      most === undefined ? entries : entries.map(([p, g]) => [p, ops.maximum(ops.minimum(g, most), -most)]);
    if (clipNorm === undefined) return { clipped, scale: undefined };
    const known = most === undefined ? squares : undefined;
    return { clipped, scale: clipScale(known ?? ops.sumSquares(clipped.map(([, g]) => g)), clipNorm) };
  }

  /** The last group matches everything. */
  private groups(): readonly LiveGroup[] {
    this.liveGroups ??= [...this.groupOptions, {}].map((options) => this.liveGroup(options));
    return this.liveGroups;
  }

  private liveGroup(group: Group): LiveGroup {
    const { match, lr, lrScale = 1, weightDecay, maxNorm } = group;
    const numbers = liveNumbers(this.numbers, group, this) as H;
    const ofGroup = {
      lr: this.scalar('lr', nonNegative, () => this.rate((lr ?? this.lr) * lrScale * this.lrFactor, numbers)),
      weightDecay: this.scalar('weightDecay', nonNegative, () => weightDecay ?? this.weightDecay),
      ...numberScalars(this.where, this.numbers, numbers),
    };
    const byBirth = new Map<number, ScalarsByName>();
    const scalars = (born: number): ScalarsByName => {
      const steps = (): number => this.step - born;
      const known = byBirth.get(born) ?? {
        ...ofGroup,
        step: runtimeScalar(() => steps() + 1),
        ...this.derivedScalars(numbers, steps),
      };
      byBirth.set(born, known);
      return known;
    };
    const largest = (): number | undefined => maxNorm ?? this.maxNorm;
    const limit = largest() === undefined ? undefined : this.scalar('maxNorm', positive, largest);
    return { matches: match === undefined ? () => true : matcher(match), scalars, limit };
  }

  private groupOf(parameter: Parameter): LiveGroup {
    return this.groups().find((group) => group.matches(parameter.name, parameter))!;
  }

  private updateMembers(
    { scalars, limit }: LiveGroup,
    born: number,
    members: readonly [Parameter, Tensor][],
    scale: Tensor | undefined,
  ): void {
    const states = this.slotNames.map((name) => members.map(([p]) => this.slot(name, p)));
    const weights = members.map(([p]) => p);
    const gradients = members.map(([, g]) => g);
    const operands = { weights, gradients, states, ...(scale && { scale }) };
    const updated = this.rule(scalars(born), operands, this.flags);
    weights.forEach((weight, i) => assign(weight, limited(weight, updated.weights[i]!, limit)));
    states.forEach((list, s) =>
      list.forEach((state, i) => assign(state, members[i]![0].admit(updated.states[s]![i]!))),
    );
  }

  private slot(name: string, parameter: Parameter): PersistentTensor {
    const key = `${name}/${this.nameOf(parameter)}`;
    const slot = this.slots.get(key) ?? filled(parameter.shape, this.slotInitial);
    checkSlotShape(key, parameter.shape, slot.shape);
    this.slots.set(key, slot);
    return slot;
  }

  /**
   * Steps that this optimizer had taken when the parameter came: bias correction and momentum begin with its
   * own first step, as in PyTorch.
   */
  private bornOf(parameter: Parameter): number {
    const name = this.nameOf(parameter);
    const born = this.born.get(name) ?? this.step;
    this.born.set(name, born);
    return born;
  }

  /** The parameter's own name; where another parameter came with that before, `name#2`. */
  private nameOf(parameter: Parameter): string {
    const known = this.names.get(parameter);
    if (known !== undefined) return known;
    let name = parameter.name;
    for (let i = 2; this.taken.has(name); i++) name = `${parameter.name}#${i}`;
    this.names.set(parameter, name);
    this.taken.add(name);
    return name;
  }
}

/** Biases and what belongs to norms have no output units. */
function limited(parameter: Parameter, updated: Tensor, limit: Tensor | undefined): Tensor {
  const units = parameter.rank > 1 && !parameter.ofNormalization;
  return limit === undefined || !units ? updated : ops.renorm(updated, limit);
}

function groupBy<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

function filled(shape: Shape, value: number): PersistentTensor {
  const slot = zeros(shape);
  return value === 0 ? slot : persistent(new Float32Array(slot.size).fill(value), shape);
}

function checkSlotShape(key: string, expected: Shape, actual: Shape): void {
  if (sameShape(expected, actual)) return;
  throw new ShapeError(
    `optimizer state '${clip(key)}': expected ${formatShape(expected)}, got ${formatShape(actual)}`,
  );
}

/** min(1, limit / (norm + 1e-6)), as PyTorch's clip_grad_norm_. */
function clipScale(squares: Tensor, limit: number): Tensor {
  return ops.minimum(ops.div(limit, ops.add(ops.sqrt(squares), 1e-6)), 1);
}
