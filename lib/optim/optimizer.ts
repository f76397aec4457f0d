/** What all optimizers share: parameter groups, state per parameter, clipping, the step count and the finite guard. */
import { FormatError, OptionError, ShapeError, TraceError } from '../errors';
import type { Gradients } from '../graph/grad';
import { assign, currentTrace, withScope } from '../graph/trace';
import type { AnyArray } from '../native';
import * as ops from '../ops';
import type { UpdateOperands } from '../ops/update';
import { checkKeys, nonNegative, positive, show } from '../options';
import type { Parameter } from '../tensor/parameter';
import { formatShape, sameShape, type Shape } from '../tensor/shape';
import { runtimeScalar, zeros, type Tensor } from '../tensor/tensor';

/** Picks parameters by name: a prefix of whole path parts ('features', 'fc.bias'), a pattern, or a test. */
export type ParameterMatch = string | RegExp | ((name: string) => boolean);

/** Parameters with settings of their own. A parameter belongs to the first group that matches it. */
export interface ParameterGroup {
  readonly match: ParameterMatch;
  /** Learning rate of the group. Default: the optimizer's. */
  readonly lr?: number;
  /** Decay of the group. Default: the optimizer's. */
  readonly weightDecay?: number;
}

/** Options that every optimizer takes. */
export interface OptimizerOptions {
  /** Decay of weights, at least 0. Default 0. */
  readonly weightDecay?: number;
  /** Gradients are scaled so that their norm over all parameters is at most this (Pascanu et al. 2013). Default: no limit. */
  readonly clipNorm?: number;
  /** Parameters with settings of their own. */
  readonly groups?: readonly ParameterGroup[];
}

export const optimizerKeys = ['weightDecay', 'clipNorm', 'groups'] as const;

/** Numbers of one group, read anew at each step. */
export interface GroupScalars {
  readonly lr: Tensor;
  readonly weightDecay: Tensor;
  /** The step being taken, counted from 1. */
  readonly step: Tensor;
}

/** State as it is kept in checkpoints. Entry `exp_avg/features.0.weight` is that parameter's first moment, in logical order. */
export interface OptimizerState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** State read back from a checkpoint. */
export interface LoadedOptimizerState {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: AnyArray }>;
}

interface LiveGroup {
  lr?: number;
  weightDecay?: number;
  readonly matches: (name: string) => boolean;
  readonly scalars: GroupScalars;
}

function matcher(match: ParameterMatch): (name: string) => boolean {
  if (typeof match === 'function') return match;
  if (typeof match === 'string') return (name) => name === match || name.startsWith(`${match}.`);
  if (match instanceof RegExp) return (name) => name.search(match) >= 0;
  throw new OptionError(
    `optimizer: a group's match must be a string, a RegExp or a function, got ${show(match)}`,
  );
}

export abstract class Optimizer {
  /** Learning rate. May be changed between steps; nothing is compiled anew. */
  lr: number;
  /** Multiplies the learning rate of every group: what schedules set. */
  lrFactor = 1;
  weightDecay: number;
  /** Largest norm of all gradients together, or undefined for no limit. */
  readonly clipNorm: number | undefined;
  /** Steps queued so far, less those that committed nothing. */
  step = 0;
  private readonly groups: LiveGroup[];
  private readonly slots = new Map<string, Tensor>();
  private guard: Tensor | undefined;

  protected constructor(where: string, lr: number, options: OptimizerOptions) {
    this.lr = nonNegative(where, 'lr', lr);
    this.weightDecay = nonNegative(where, 'weightDecay', options.weightDecay ?? 0);
    this.clipNorm =
      options.clipNorm === undefined ? undefined : positive(where, 'clipNorm', options.clipNorm);
    const step = runtimeScalar(() => this.step + 1);
    const own = (options.groups ?? []).map((group) => this.group(where, group, step));
    this.groups = [...own, this.group(where, { match: () => true }, step)];
  }

  /** Short name, for reports and checkpoints: `sgd`. */
  abstract readonly kind: string;

  /**
   * Records one update of every parameter that has a gradient. Only inside a function given to `compile`. When the loss or the
   * norm of the gradients is not finite, the run commits nothing and rejects with a NonFiniteError, and so do all later runs until
   * `resetGuard()`.
   * @throws TraceError outside compile(), or when no parameter has a gradient
   */
  update(gradients: Gradients): void {
    const trace = currentTrace();
    if (trace === undefined)
      throw new TraceError('optimizer.update: call it in a function given to compile()');
    const entries = gradients.entries();
    if (entries.length === 0)
      throw new TraceError('optimizer.update: the loss depends on no parameter that requires a gradient');
    withScope('optimizer', () => {
      const squares = ops.sumSquares(entries.map(([, g]) => g));
      this.watch(gradients.loss, squares);
      const scale = this.clipNorm === undefined ? undefined : clipScale(squares, this.clipNorm);
      for (const group of this.groups) {
        const members = entries.filter(([p]) => this.groupOf(p) === group);
        if (members.length > 0) this.updateMembers(group, members, scale);
      }
    });
    trace.onRun({ queued: () => void this.step++, refused: () => void this.step-- });
  }

  /** Lets steps commit again after a NonFiniteError. Lands behind the steps queued before. */
  resetGuard(): void {
    if (this.guard?.source.kind === 'storage') this.guard.source.storage.writeSync(Int32Array.of(0));
  }

  /** What a checkpoint has to keep. The tensors are live: read them before further steps are queued. */
  state(): OptimizerState {
    return { step: this.step, tensors: new Map([...this.slots].sort(([a], [b]) => (a < b ? -1 : 1))) };
  }

  /**
   * Goes on from a saved state.
   * @throws FormatError when the step is not a count; ShapeError when an entry does not fit the parameter it belongs to
   */
  async loadState(state: LoadedOptimizerState): Promise<void> {
    if (!Number.isSafeInteger(state.step) || state.step < 0) {
      throw new FormatError(
        `optimizer state: step must be a whole number of at least 0, got ${show(state.step)}`,
      );
    }
    for (const [key, { shape }] of state.tensors)
      checkSlotShape(key, this.slots.get(key)?.shape ?? shape, shape);
    await Promise.all(
      [...state.tensors].map(async ([key, { shape, data }]) => {
        const slot = this.slots.get(key) ?? zeros(shape);
        this.slots.set(key, slot);
        if (slot.source.kind === 'storage') await slot.source.storage.write(data);
      }),
    );
    this.step = state.step;
  }

  /** Gives the memory of the state back now. */
  dispose(): void {
    for (const slot of this.slots.values()) slot.dispose();
    this.slots.clear();
    this.guard?.dispose();
    this.guard = undefined;
  }

  /** Names of the state tensors that each parameter has, in the kernel's order. */
  protected abstract slotNames(): readonly string[];

  /** Records the update of one group; returns new weights and states in the order they came. */
  protected abstract apply(
    scalars: GroupScalars,
    operands: UpdateOperands,
  ): { weights: Tensor[]; states: Tensor[][] };

  private group(where: string, options: ParameterGroup, step: Tensor): LiveGroup {
    checkKeys(`${where}: group`, options, ['match', 'lr', 'weightDecay']);
    const { lr, weightDecay } = options;
    const group: LiveGroup = {
      ...(lr !== undefined && { lr: nonNegative(where, 'lr of a group', lr) }),
      ...(weightDecay !== undefined && {
        weightDecay: nonNegative(where, 'weightDecay of a group', weightDecay),
      }),
      matches: matcher(options.match),
      scalars: {
        lr: runtimeScalar(() => (group.lr ?? this.lr) * this.lrFactor),
        weightDecay: runtimeScalar(() => group.weightDecay ?? this.weightDecay),
        step,
      },
    };
    return group;
  }

  private groupOf(parameter: Parameter): LiveGroup {
    // The last group matches everything.
    return this.groups.find((group) => group.matches(parameter.name))!;
  }

  private watch(loss: Tensor, squares: Tensor): void {
    this.guard ??= zeros([1], 'i32');
    assign(this.guard, ops.finiteGuard(this.guard, [ops.reshape(loss, []), squares]));
  }

  private updateMembers(
    group: LiveGroup,
    members: readonly [Parameter, Tensor][],
    scale: Tensor | undefined,
  ): void {
    const states = this.slotNames().map((name) => members.map(([p]) => this.slot(name, p)));
    const weights = members.map(([p]) => p);
    const gradients = members.map(([, g]) => g);
    const updated = this.apply(group.scalars, { weights, gradients, states, ...(scale && { scale }) });
    weights.forEach((weight, i) => assign(weight, updated.weights[i]!));
    states.forEach((list, s) => list.forEach((state, i) => assign(state, updated.states[s]![i]!)));
  }

  private slot(name: string, parameter: Parameter): Tensor {
    const key = `${name}/${parameter.name}`;
    const slot = this.slots.get(key) ?? zeros(parameter.shape);
    checkSlotShape(key, parameter.shape, slot.shape);
    this.slots.set(key, slot);
    return slot;
  }
}

function checkSlotShape(key: string, expected: Shape, actual: Shape): void {
  if (sameShape(expected, actual)) return;
  throw new ShapeError(
    `optimizer state '${key}': expected ${formatShape(expected)}, got ${formatShape(actual)}`,
  );
}

/** min(1, limit / (norm + 1e-6)), as PyTorch's clip_grad_norm_. */
function clipScale(squares: Tensor, limit: number): Tensor {
  return ops.minimum(ops.div(limit, ops.add(ops.sqrt(squares), 1e-6)), 1);
}
