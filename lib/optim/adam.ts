/**
 * Adam (Kingma & Ba 2015) as in PyTorch: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps). Decay is added to g, or in AdamW (Loshchilov & Hutter 2019) shrinks w
 * by 1 - lr weightDecay first.
 */
import { OptionError } from '../errors';
import * as ops from '../ops';
import type { UpdateOperands } from '../ops/update';
import { checkKeys, nonNegative, show } from '../options';
import { runtimeScalar, type Tensor } from '../tensor/tensor';
import { Optimizer, optimizerKeys, type GroupScalars, type OptimizerOptions } from './optimizer';

export interface AdamOptions extends OptimizerOptions {
  /** Learning rate, at least 0. Default 1e-3. */
  readonly lr?: number;
  /** Decay of the running averages of g and g^2, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
}

function checkBetas(where: string, betas: unknown): [number, number] {
  const ok =
    Array.isArray(betas) &&
    betas.length === 2 &&
    betas.every((b) => typeof b === 'number' && b >= 0 && b < 1);
  if (!ok) throw new OptionError(`${where}: betas must be two numbers from 0 to below 1, got ${show(betas)}`);
  return [...(betas as [number, number])];
}

export class Adam extends Optimizer {
  readonly kind: 'adam' | 'adamw';
  /** May be changed between steps. */
  betas: [number, number];
  eps: number;
  private readonly decoupled: boolean;
  private readonly own: { readonly beta1: Tensor; readonly beta2: Tensor; readonly eps: Tensor };

  constructor(kind: 'adam' | 'adamw', options: AdamOptions = {}) {
    const where = `optim.${kind}`;
    checkKeys(where, options, ['lr', 'betas', 'eps', ...optimizerKeys]);
    // PyTorch's AdamW decays by default, its Adam does not.
    const weightDecay = options.weightDecay ?? (kind === 'adamw' ? 0.01 : 0);
    super(where, options.lr ?? 1e-3, { ...options, weightDecay });
    this.kind = kind;
    this.betas = checkBetas(where, options.betas ?? [0.9, 0.999]);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-8);
    this.decoupled = kind === 'adamw';
    this.own = {
      beta1: runtimeScalar(() => this.betas[0]),
      beta2: runtimeScalar(() => this.betas[1]),
      eps: runtimeScalar(() => this.eps),
    };
  }

  protected slotNames(): readonly string[] {
    return ['exp_avg', 'exp_avg_sq'];
  }

  protected apply(
    scalars: GroupScalars,
    operands: UpdateOperands,
  ): { weights: Tensor[]; states: Tensor[][] } {
    return ops.adamUpdate({ ...scalars, ...this.own }, operands, this.decoupled);
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
