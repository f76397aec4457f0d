/**
 * LARS (You et al. 2017, "Large batch training of convolutional networks"): SGD whose rate for each tensor is multiplied by
 * trust |w| / (|g| + weightDecay |w| + eps); 1 where |w| or |g| is 0. Momentum and Nesterov are SGD's; the paper's momentum holds the rate, `velocity: 'steps'`.
 */
import { OptionError } from '../errors';
import * as ops from '../ops';
import type { Updated, UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative, show } from '../options';
import type { Tensor } from '../tensor/tensor';
import { Optimizer, optimizerKeys, type Checks, type OptimizerOptions } from './optimizer';
import { checkMomentum, momentumChecks, momentumKeys, type MomentumOptions, type SgdNumbers } from './sgd';

/** Numbers of LARS that groups may set. */
export interface LarsNumbers extends SgdNumbers {
  /** Trust coefficient. Default 0.001. */
  readonly trust: number;
  /** Default 1e-8. */
  readonly eps: number;
  /** False takes plain SGD steps: for biases and norms, `groups: [optim.noDecay({ adapt: false })]`. Default true. */
  readonly adapt: boolean;
}

export interface LarsOptions
  extends OptimizerOptions<LarsNumbers>, MomentumOptions, Partial<Omit<LarsNumbers, keyof SgdNumbers>> {
  /** Learning rate, at least 0. */
  readonly lr: number;
}

interface LarsOwnScalars {
  readonly momentum: Tensor;
  readonly dampening: Tensor;
  readonly trust: Tensor;
  readonly eps: Tensor;
  readonly adapt: Tensor;
}

const checks: Checks<LarsNumbers> = { ...momentumChecks, trust: nonNegative, eps: nonNegative, adapt: bool };

export class Lars extends Optimizer<LarsNumbers, LarsOwnScalars> {
  readonly kind = 'lars';
  /** May be changed between steps; the momentum where it was not 0 to begin with. */
  momentum: number;
  dampening: number;
  trust: number;
  eps: number;
  adapt: boolean;
  readonly nesterov: boolean;
  readonly velocity: 'gradients' | 'steps';
  private readonly hasVelocity: boolean;

  constructor(options: LarsOptions) {
    const where = 'optim.lars';
    checkKeys(where, options, ['lr', 'trust', 'eps', 'adapt', ...momentumKeys, ...optimizerKeys]);
    if (options === undefined) throw new OptionError(`${where}: lr must be given, got ${show(options)}`);
    super(where, options.lr, options, checks);
    const checked = checkMomentum(where, options);
    this.momentum = checked.momentum;
    this.dampening = checked.dampening;
    this.nesterov = checked.nesterov;
    this.velocity = checked.velocity;
    this.hasVelocity = checked.hasVelocity;
    this.trust = nonNegative(where, 'trust', options.trust ?? 1e-3);
    this.eps = nonNegative(where, 'eps', options.eps ?? 1e-8);
    this.adapt = bool(where, 'adapt', options.adapt ?? true);
  }

  protected slotNames(): readonly string[] {
    return this.hasVelocity ? ['momentum_buffer'] : [];
  }

  protected ownScalars(group: Partial<LarsNumbers>): LarsOwnScalars {
    return {
      momentum: this.scalar('momentum', nonNegative, () => group.momentum ?? this.momentum),
      dampening: this.scalar('dampening', nonNegative, () => group.dampening ?? this.dampening),
      trust: this.scalar('trust', nonNegative, () => group.trust ?? this.trust),
      eps: this.scalar('eps', nonNegative, () => group.eps ?? this.eps),
      adapt: this.scalar('adapt', nonNegative, () => Number(group.adapt ?? this.adapt)),
    };
  }

  protected apply(scalars: ops.LarsScalars, operands: UpdateOperands): Updated {
    const { nesterov, velocity } = this;
    return ops.larsUpdate(scalars, operands, { nesterov, steps: velocity === 'steps' });
  }
}

/** @throws OptionError on unknown keys, NaN or negative numbers, Nesterov without momentum */
export function lars(options: LarsOptions): Lars {
  return new Lars(options);
}
