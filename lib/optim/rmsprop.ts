/**
 * RMSProp (Tieleman & Hinton 2012, lecture 6.5) as in PyTorch: v = alpha v + (1 - alpha) g^2; w -= lr g / (sqrt(v) + eps). Centred (Graves 2013):
 * a = alpha a + (1 - alpha) g, and v - a^2 under the root. With momentum: b = momentum b + g / (sqrt(v) + eps); w -= lr b.
 * The lecture's form: `rmsprop({ lr, alpha, eps: 1e-7 })`, where alpha is its decay_rate.
 */
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative } from '../options';
import type { Tensor } from '../tensor/tensor';
import { decayRate } from './checks';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of RMSProp that groups may set. */
export interface RmspropNumbers {
  /** Decay of the running mean of g^2, in [0, 1). Default 0.99. */
  readonly alpha: number;
  /** Added to the root of the mean square. Default 1e-8. */
  readonly eps: number;
  /** Default 0: no velocity is kept. */
  readonly momentum: number;
}

export interface RmspropOptions extends OptimizerOptions<RmspropNumbers>, Partial<RmspropNumbers> {
  /** Learning rate, at least 0. Default 0.01. */
  readonly lr?: number;
  /** Divides by the root of the variance instead of the mean square. Default false. */
  readonly centred?: boolean;
  /** eps is added to the mean square instead of to its root. Default false. */
  readonly epsInside?: boolean;
  /** Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient. Default false. */
  readonly decoupled?: boolean;
}

interface RmspropOwnScalars {
  readonly alpha: Tensor;
  readonly eps: Tensor;
  readonly momentum: Tensor;
}

const checks: Checks<RmspropNumbers> = { alpha: decayRate, eps: nonNegative, momentum: nonNegative };

export class Rmsprop extends Optimizer<RmspropNumbers, RmspropOwnScalars> {
  readonly kind = 'rmsprop';
  /** May be changed between steps; the momentum where it was not 0 to begin with. */
  alpha: number;
  eps: number;
  momentum: number;
  readonly centred: boolean;
  readonly epsInside: boolean;
  readonly decoupled: boolean;
  private readonly hasVelocity: boolean;

  constructor(options: RmspropOptions = {}) {
    const where = 'optim.rmsprop';
    const own = ['lr', 'alpha', 'eps', 'momentum', 'centred', 'epsInside', 'decoupled'];
    checkKeys(where, options, [...own, ...optimizerKeys]);
    super(where, options.lr ?? 0.01, options, checks);
    this.alpha = decayRate(where, 'alpha', options.alpha ?? 0.99);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-8);
    this.momentum = nonNegative(where, 'momentum', options.momentum ?? 0);
    this.centred = bool(where, 'centred', options.centred ?? false);
    this.epsInside = bool(where, 'epsInside', options.epsInside ?? false);
    this.decoupled = bool(where, 'decoupled', options.decoupled ?? false);
    this.hasVelocity = this.momentum > 0 || (options.groups ?? []).some((group) => (group.momentum ?? 0) > 0);
  }

  protected slotNames(): readonly string[] {
    return [
      'square_avg',
      ...(this.centred ? ['grad_avg'] : []),
      ...(this.hasVelocity ? ['momentum_buffer'] : []),
    ];
  }

  protected ownScalars(group: Partial<RmspropNumbers>): RmspropOwnScalars {
    return {
      alpha: this.scalar('alpha', decayRate, () => group.alpha ?? this.alpha),
      eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps),
      momentum: this.scalar('momentum', nonNegative, () => group.momentum ?? this.momentum),
    };
  }

  protected apply(scalars: ops.RuleScalars & RmspropOwnScalars, operands: UpdateOperands): Updated {
    const { centred, decoupled, epsInside, hasVelocity } = this;
    return ops.rmspropUpdate(scalars, operands, { centred, decoupled, epsInside, momentum: hasVelocity });
  }
}

/** @throws OptionError on unknown keys or numbers out of range */
export function rmsprop(options: RmspropOptions = {}): Rmsprop {
  return new Rmsprop(options);
}
