/**
 * AdaGrad (Duchi et al. 2011, "Adaptive subgradient methods") as in PyTorch: s += g^2; w -= lr / (1 + (t - 1) lrDecay) g / (sqrt(s) + eps),
 * t from 1. The lecture's form: `adagrad({ lr, eps: 1e-7 })`.
 */
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative } from '../options';
import type { Tensor } from '../tensor/tensor';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of AdaGrad that groups may set. */
export interface AdagradNumbers {
  /** Added to the root of the sum. Default 1e-10. */
  readonly eps: number;
}

export interface AdagradOptions extends OptimizerOptions<AdagradNumbers>, Partial<AdagradNumbers> {
  /** Learning rate, at least 0. Default 0.01. */
  readonly lr?: number;
  /** Default 0. */
  readonly lrDecay?: number;
  /** What the sum of squares begins with. Default 0. */
  readonly initialAccumulator?: number;
  /** eps is added to the sum instead of to its root. Default false. */
  readonly epsInside?: boolean;
  /** Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient. Default false. */
  readonly decoupled?: boolean;
}

interface AdagradOwnScalars {
  readonly eps: Tensor;
}

const checks: Checks<AdagradNumbers> = { eps: nonNegative };

export class Adagrad extends Optimizer<AdagradNumbers, AdagradOwnScalars> {
  readonly kind = 'adagrad';
  /** May be changed between steps. */
  eps: number;
  lrDecay: number;
  readonly initialAccumulator: number;
  readonly epsInside: boolean;
  readonly decoupled: boolean;

  constructor(options: AdagradOptions = {}) {
    const where = 'optim.adagrad';
    const own = ['lr', 'eps', 'lrDecay', 'initialAccumulator', 'epsInside', 'decoupled'];
    checkKeys(where, options, [...own, ...optimizerKeys]);
    super(where, options.lr ?? 0.01, options, checks);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-10);
    this.lrDecay = nonNegative(where, 'lrDecay', options.lrDecay ?? 0);
    this.initialAccumulator = nonNegative(where, 'initialAccumulator', options.initialAccumulator ?? 0);
    this.epsInside = bool(where, 'epsInside', options.epsInside ?? false);
    this.decoupled = bool(where, 'decoupled', options.decoupled ?? false);
  }

  protected slotNames(): readonly string[] {
    return ['sum'];
  }

  protected override slotInitial(): number {
    return this.initialAccumulator;
  }

  protected override rate(lr: number): number {
    return lr / (1 + this.step * nonNegative(this.where, 'lrDecay', this.lrDecay));
  }

  protected ownScalars(group: Partial<AdagradNumbers>): AdagradOwnScalars {
    return { eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps) };
  }

  protected apply(scalars: ops.RuleScalars & AdagradOwnScalars, operands: UpdateOperands): Updated {
    const { decoupled, epsInside } = this;
    return ops.adagradUpdate(scalars, operands, { decoupled, epsInside });
  }
}

/** @throws OptionError on unknown keys or numbers out of range */
export function adagrad(options: AdagradOptions = {}): Adagrad {
  return new Adagrad(options);
}
