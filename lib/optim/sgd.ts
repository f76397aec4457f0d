/**
 * Stochastic gradient descent as in PyTorch: g += weightDecay w; v = momentum v + (1 - dampening) g (v = g at the first step);
 * w -= lr v, or with Nesterov w -= lr (g + momentum v). Sutskever et al. 2013, "On the importance of initialization and momentum".
 *
 * With `velocity: 'steps'` the rate is in the velocity: v = momentum v - lr g; w += v, or with Nesterov
 * w += -momentum v_old + (1 + momentum) v. Both give the same weights as long as lr stays the same.
 */
import { OptionError } from '../errors';
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative, oneOf, show } from '../options';
import type { Tensor } from '../tensor/tensor';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of SGD that groups may set. */
export interface SgdNumbers {
  /** Default 0: no velocity is kept. */
  readonly momentum: number;
  /** Default 0. */
  readonly dampening: number;
}

/** What SGD and LARS have in common. */
export interface MomentumOptions {
  /** Default 0: no velocity is kept. */
  readonly momentum?: number;
  /** Default 0. */
  readonly dampening?: number;
  /** Default false. Needs momentum and no dampening. */
  readonly nesterov?: boolean;
  /** What the velocity holds: `gradients` (default), so that a change of lr acts at once, or `steps`. */
  readonly velocity?: 'gradients' | 'steps';
}

export interface SgdOptions extends OptimizerOptions<SgdNumbers>, MomentumOptions {
  /** Learning rate, at least 0. */
  readonly lr: number;
  /** Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient (Loshchilov & Hutter 2019). Default false. */
  readonly decoupled?: boolean;
}

interface SgdOwnScalars {
  readonly momentum: Tensor;
  readonly dampening: Tensor;
}

export const momentumChecks: Checks<SgdNumbers> = { momentum: nonNegative, dampening: nonNegative };

export const momentumKeys = ['momentum', 'dampening', 'nesterov', 'velocity'] as const;

/** The common options, checked. @throws OptionError */
export function checkMomentum(
  where: string,
  options: MomentumOptions & Pick<OptimizerOptions<SgdNumbers>, 'groups'>,
): Required<MomentumOptions> & { readonly hasVelocity: boolean } {
  const momentum = nonNegative(where, 'momentum', options.momentum ?? 0);
  const dampening = nonNegative(where, 'dampening', options.dampening ?? 0);
  const nesterov = bool(where, 'nesterov', options.nesterov ?? false);
  const velocity = oneOf(where, 'velocity', options.velocity ?? 'gradients', ['gradients', 'steps']);
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new OptionError(`${where}: nesterov needs a momentum above 0 and no dampening`);
  const hasVelocity = momentum > 0 || (options.groups ?? []).some((group) => (group.momentum ?? 0) > 0);
  return { momentum, dampening, nesterov, velocity, hasVelocity };
}

export class Sgd extends Optimizer<SgdNumbers, SgdOwnScalars> {
  readonly kind = 'sgd';
  /** May be changed between steps where it was not 0 to begin with. */
  momentum: number;
  dampening: number;
  readonly nesterov: boolean;
  readonly velocity: 'gradients' | 'steps';
  readonly decoupled: boolean;
  private readonly hasVelocity: boolean;

  constructor(options: SgdOptions) {
    const where = 'optim.sgd';
    checkKeys(where, options, ['lr', 'decoupled', ...momentumKeys, ...optimizerKeys]);
    if (options === undefined) throw new OptionError(`${where}: lr must be given, got ${show(options)}`);
    super(where, options.lr, options, momentumChecks);
    const checked = checkMomentum(where, options);
    this.momentum = checked.momentum;
    this.dampening = checked.dampening;
    this.nesterov = checked.nesterov;
    this.velocity = checked.velocity;
    this.hasVelocity = checked.hasVelocity;
    this.decoupled = bool(where, 'decoupled', options.decoupled ?? false);
  }

  protected slotNames(): readonly string[] {
    return this.hasVelocity ? ['momentum_buffer'] : [];
  }

  protected ownScalars(group: Partial<SgdNumbers>): SgdOwnScalars {
    return {
      momentum: this.scalar('momentum', nonNegative, () => group.momentum ?? this.momentum),
      dampening: this.scalar('dampening', nonNegative, () => group.dampening ?? this.dampening),
    };
  }

  protected apply(scalars: ops.SgdScalars, operands: UpdateOperands): Updated {
    const { nesterov, decoupled, velocity } = this;
    return ops.sgdUpdate(scalars, operands, { nesterov, decoupled, steps: velocity === 'steps' });
  }
}

/** @throws OptionError on unknown keys, NaN or negative numbers, Nesterov without momentum */
export function sgd(options: SgdOptions): Sgd {
  return new Sgd(options);
}
