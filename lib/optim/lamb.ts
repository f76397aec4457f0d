/**
 * LAMB (You et al. 2020, "Large batch optimization for deep learning"): u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weightDecay w with Adam's
 * moments; w -= lr (|w| / |u|) u, the norms being those of each tensor, and their ratio 1 where either is 0.
 */
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative } from '../options';
import type { Tensor } from '../tensor/tensor';
import { adamChecks, type AdamNumbers } from './adam';
import { betas, decayRate } from './checks';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of LAMB that groups may set. `eps` defaults to 1e-6. */
export interface LambNumbers extends AdamNumbers {
  /** False takes Adam's steps, ratio 1: for biases and norms, `groups: [optim.noDecay({ adapt: false })]`. Default true. */
  readonly adapt: boolean;
}

export interface LambOptions extends OptimizerOptions<LambNumbers>, Partial<LambNumbers> {
  /** Learning rate, at least 0. Default 1e-3. */
  readonly lr?: number;
  /** Divides the moments by 1 - beta^t. Default true. */
  readonly biasCorrection?: boolean;
}

interface LambOwnScalars {
  readonly beta1: Tensor;
  readonly beta2: Tensor;
  readonly eps: Tensor;
  readonly adapt: Tensor;
}

const checks: Checks<LambNumbers> = { ...adamChecks, adapt: bool };

export class Lamb extends Optimizer<LambNumbers, LambOwnScalars> {
  readonly kind = 'lamb';
  /** May be changed between steps. */
  betas: [number, number];
  eps: number;
  adapt: boolean;
  readonly biasCorrection: boolean;

  constructor(options: LambOptions = {}) {
    const where = 'optim.lamb';
    checkKeys(where, options, ['lr', 'betas', 'eps', 'adapt', 'biasCorrection', ...optimizerKeys]);
    super(where, options.lr ?? 1e-3, options, checks);
    this.betas = betas(where, 'betas', options.betas ?? [0.9, 0.999]);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-6);
    this.adapt = bool(where, 'adapt', options.adapt ?? true);
    this.biasCorrection = bool(where, 'biasCorrection', options.biasCorrection ?? true);
  }

  protected slotNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq'];
  }

  protected ownScalars(group: Partial<LambNumbers>): LambOwnScalars {
    return {
      beta1: this.scalar('betas[0]', decayRate, () => (group.betas ?? this.betas)[0]),
      beta2: this.scalar('betas[1]', decayRate, () => (group.betas ?? this.betas)[1]),
      eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps),
      adapt: this.scalar('adapt', nonNegative, () => Number(group.adapt ?? this.adapt)),
    };
  }

  protected apply(scalars: ops.LambScalars, operands: UpdateOperands): Updated {
    return ops.lambUpdate(scalars, operands, { uncorrected: !this.biasCorrection });
  }
}

/** @throws OptionError on unknown keys or numbers out of range */
export function lamb(options: LambOptions = {}): Lamb {
  return new Lamb(options);
}
