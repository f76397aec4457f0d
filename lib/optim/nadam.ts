/**
 * NAdam (Dozat 2016, "Incorporating Nesterov momentum into Adam") as in PyTorch: moments as in Adam; mu_t = b1 (1 - 0.96^(t momentumDecay) / 2);
 * w -= lr ((1 - mu_t) g / (1 - P_t) + mu_(t+1) m / (1 - P_(t+1))) / (sqrt(v / (1 - b2^t)) + eps), where P_t = mu_1 ... mu_t.
 */
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative } from '../options';
import type { Tensor } from '../tensor/tensor';
import { adamChecks, type AdamNumbers } from './adam';
import { betas, decayRate } from './checks';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of NAdam that groups may set. */
export interface NadamNumbers extends AdamNumbers {
  /** How fast the momentum rises to beta1. Default 4e-3. */
  readonly momentumDecay: number;
}

export interface NadamOptions extends OptimizerOptions<NadamNumbers>, Partial<NadamNumbers> {
  /** Learning rate, at least 0. Default 2e-3. */
  readonly lr?: number;
  /** eps is added to the second moment instead of to its root. Default false. */
  readonly epsInside?: boolean;
  /** Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient. Default false. */
  readonly decoupled?: boolean;
}

interface NadamOwnScalars {
  readonly beta1: Tensor;
  readonly beta2: Tensor;
  readonly eps: Tensor;
  readonly gradientShare: Tensor;
  readonly momentShare: Tensor;
}

const checks: Checks<NadamNumbers> = { ...adamChecks, momentumDecay: nonNegative };

/** mu_t and P_t. P is a function of the step and the settings alone, so that no checkpoint has to keep it; the last one is remembered. */
class MomentumSchedule {
  private known = { beta: NaN, decay: NaN, step: 0, product: 1 };

  mu(beta: number, decay: number, step: number): number {
    return beta * (1 - 0.5 * 0.96 ** (step * decay));
  }

  product(beta: number, decay: number, step: number): number {
    const { known } = this;
    const goesOn = known.beta === beta && known.decay === decay && known.step <= step;
    let { step: at, product } = goesOn ? known : { step: 0, product: 1 };
    // Once it is too small to be told from nothing, no further factor matters.
    while (at < step && product > Number.MIN_VALUE) product *= this.mu(beta, decay, ++at);
    this.known = { beta, decay, step, product };
    return product;
  }
}

export class Nadam extends Optimizer<NadamNumbers, NadamOwnScalars> {
  readonly kind = 'nadam';
  /** May be changed between steps. */
  betas: [number, number];
  eps: number;
  momentumDecay: number;
  readonly epsInside: boolean;
  readonly decoupled: boolean;

  constructor(options: NadamOptions = {}) {
    const where = 'optim.nadam';
    const own = ['lr', 'betas', 'eps', 'momentumDecay', 'epsInside', 'decoupled'];
    checkKeys(where, options, [...own, ...optimizerKeys]);
    super(where, options.lr ?? 2e-3, options, checks);
    this.betas = betas(where, 'betas', options.betas ?? [0.9, 0.999]);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-8);
    this.momentumDecay = nonNegative(where, 'momentumDecay', options.momentumDecay ?? 4e-3);
    this.epsInside = bool(where, 'epsInside', options.epsInside ?? false);
    this.decoupled = bool(where, 'decoupled', options.decoupled ?? false);
  }

  protected slotNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq'];
  }

  protected ownScalars(group: Partial<NadamNumbers>, steps: () => number): NadamOwnScalars {
    const schedule = new MomentumSchedule();
    const beta = (): number => (group.betas ?? this.betas)[0];
    const decay = (): number => group.momentumDecay ?? this.momentumDecay;
    const mu = (step: number): number => schedule.mu(beta(), decay(), step);
    const rest = (step: number): number => 1 - schedule.product(beta(), decay(), step);
    return {
      beta1: this.scalar('betas[0]', decayRate, beta),
      beta2: this.scalar('betas[1]', decayRate, () => (group.betas ?? this.betas)[1]),
      eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps),
      gradientShare: this.scalar(
        'momentumDecay',
        nonNegative,
        () => (1 - mu(steps() + 1)) / rest(steps() + 1),
      ),
      momentShare: this.scalar('momentumDecay', nonNegative, () => mu(steps() + 2) / rest(steps() + 2)),
    };
  }

  protected apply(scalars: ops.NadamScalars, operands: UpdateOperands): Updated {
    const { decoupled, epsInside } = this;
    return ops.nadamUpdate(scalars, operands, { decoupled, epsInside });
  }
}

/** @throws OptionError on unknown keys or numbers out of range */
export function nadam(options: NadamOptions = {}): Nadam {
  return new Nadam(options);
}
