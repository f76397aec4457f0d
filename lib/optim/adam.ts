/**
 * Adam (Kingma & Ba 2015) as in PyTorch: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), t from 1. Decay is added to g, or in AdamW (Loshchilov & Hutter 2019) shrinks w
 * by 1 - lr weightDecay first.
 *
 * The forms of the lecture: `adam({ eps: 1e-7 })`, and without the correction `adam({ biasCorrection: false, eps: 1e-7 })`.
 */
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative, oneOf } from '../options';
import type { Tensor } from '../tensor/tensor';
import { betas, decayRate } from './checks';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';

/** Numbers of Adam and its kin that groups may set. */
export interface AdamNumbers {
  /** Decay of the running averages of g and g^2, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps: number;
}

export interface AdamOptions extends OptimizerOptions<AdamNumbers> {
  /** Learning rate, at least 0. Default 1e-3. */
  readonly lr?: number;
  /** Decay of the running averages of g and g^2, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** eps is added to the second moment instead of to its root. Default false. */
  readonly epsInside?: boolean;
  /** Divides the moments by 1 - beta^t: they begin at zero. Default true. */
  readonly biasCorrection?: boolean;
  /** Divides by the largest second moment so far (Reddi et al. 2018, "On the convergence of Adam and beyond"). Default false. */
  readonly amsgrad?: boolean;
}

interface AdamOwnScalars {
  readonly beta1: Tensor;
  readonly beta2: Tensor;
  readonly eps: Tensor;
}

export const adamChecks: Checks<AdamNumbers> = { betas, eps: nonNegative };

export class Adam extends Optimizer<AdamNumbers, AdamOwnScalars> {
  readonly kind: 'adam' | 'adamw';
  /** May be changed between steps. */
  betas: [number, number];
  eps: number;
  readonly epsInside: boolean;
  readonly biasCorrection: boolean;
  readonly amsgrad: boolean;
  private readonly decoupled: boolean;

  constructor(kind: 'adam' | 'adamw', options: AdamOptions = {}) {
    const where = `optim.${oneOf('optim.Adam', 'kind', kind, ['adam', 'adamw'])}`;
    const own = ['lr', 'betas', 'eps', 'epsInside', 'biasCorrection', 'amsgrad'];
    checkKeys(where, options, [...own, ...optimizerKeys]);
    // PyTorch's AdamW decays by default, its Adam does not.
    const weightDecay = options.weightDecay ?? (kind === 'adamw' ? 0.01 : 0);
    super(where, options.lr ?? 1e-3, { ...options, weightDecay }, adamChecks);
    this.kind = kind;
    this.betas = betas(where, 'betas', options.betas ?? [0.9, 0.999]);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-8);
    this.epsInside = bool(where, 'epsInside', options.epsInside ?? false);
    this.biasCorrection = bool(where, 'biasCorrection', options.biasCorrection ?? true);
    this.amsgrad = bool(where, 'amsgrad', options.amsgrad ?? false);
    this.decoupled = kind === 'adamw';
  }

  protected slotNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq', ...(this.amsgrad ? ['max_exp_avg_sq'] : [])];
  }

  protected ownScalars(group: Partial<AdamNumbers>): AdamOwnScalars {
    return {
      beta1: this.scalar('betas[0]', decayRate, () => (group.betas ?? this.betas)[0]),
      beta2: this.scalar('betas[1]', decayRate, () => (group.betas ?? this.betas)[1]),
      eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps),
    };
  }

  protected apply(scalars: ops.AdamScalars, operands: UpdateOperands): Updated {
    const { decoupled, epsInside, amsgrad } = this;
    return ops.adamUpdate(scalars, operands, {
      decoupled,
      epsInside,
      amsgrad,
      uncorrected: !this.biasCorrection,
    });
  }
}

/** Adam; `weightDecay` is added to the gradient. @throws OptionError on unknown keys or numbers out of range */
export function adam(options: AdamOptions = {}): Adam {
  return new Adam('adam', options);
}

/** Adam with decoupled decay; `weightDecay` defaults to 0.01. @throws OptionError on unknown keys or numbers out of range */
export function adamw(options: AdamOptions = {}): Adam {
  return new Adam('adamw', options);
}
