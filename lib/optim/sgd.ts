/**
 * Stochastic gradient descent as in PyTorch: g += weightDecay w; v = momentum v + (1 - dampening) g (v = g at the first step);
 * w -= lr v, or with Nesterov w -= lr (g + momentum v). Sutskever et al. 2013, "On the importance of initialization and momentum".
 */
import { OptionError } from '../errors';
import * as ops from '../ops';
import type { UpdateOperands } from '../ops/update';
import { bool, checkKeys, nonNegative, show } from '../options';
import { runtimeScalar, type Tensor } from '../tensor/tensor';
import { Optimizer, optimizerKeys, type GroupScalars, type OptimizerOptions } from './optimizer';

export interface SgdOptions extends OptimizerOptions {
  /** Learning rate, at least 0. */
  readonly lr: number;
  /** Default 0: no velocity is kept. */
  readonly momentum?: number;
  /** Default 0. */
  readonly dampening?: number;
  /** Default false. Needs momentum and no dampening. */
  readonly nesterov?: boolean;
}

export class Sgd extends Optimizer {
  readonly kind = 'sgd';
  /** May be changed between steps where it was not 0 to begin with. */
  momentum: number;
  dampening: number;
  readonly nesterov: boolean;
  private readonly hasVelocity: boolean;
  private readonly momentumScalar: Tensor;
  private readonly dampeningScalar: Tensor;

  constructor(options: SgdOptions) {
    checkKeys('optim.sgd', options, ['lr', 'momentum', 'dampening', 'nesterov', ...optimizerKeys]);
    if (options === undefined) throw new OptionError(`optim.sgd: lr must be given, got ${show(options)}`);
    super('optim.sgd', options.lr, options);
    this.momentum = nonNegative('optim.sgd', 'momentum', options.momentum ?? 0);
    this.dampening = nonNegative('optim.sgd', 'dampening', options.dampening ?? 0);
    this.nesterov = bool('optim.sgd', 'nesterov', options.nesterov ?? false);
    if (this.nesterov && (this.momentum === 0 || this.dampening !== 0)) {
      throw new OptionError('optim.sgd: nesterov needs a momentum above 0 and no dampening');
    }
    this.hasVelocity = this.momentum > 0;
    this.momentumScalar = runtimeScalar(() => this.momentum);
    this.dampeningScalar = runtimeScalar(() => this.dampening);
  }

  protected slotNames(): readonly string[] {
    return this.hasVelocity ? ['momentum_buffer'] : [];
  }

  protected apply(
    scalars: GroupScalars,
    operands: UpdateOperands,
  ): { weights: Tensor[]; states: Tensor[][] } {
    const all = { ...scalars, momentum: this.momentumScalar, dampening: this.dampeningScalar };
    return ops.sgdUpdate(all, operands, this.nesterov);
  }
}

/** @throws OptionError on unknown keys, NaN or negative numbers, Nesterov without momentum */
export function sgd(options: SgdOptions): Sgd {
  return new Sgd(options);
}
