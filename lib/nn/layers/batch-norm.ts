/** Batch normalization layers; the formula is in lib/ops/batch-norm.ts. */
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { ChannelNorm } from './channel-norm';

export interface BatchNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Share of the newest batch in the running statistics, from 0 to 1. Default 0.1. */
  readonly momentum?: number;
  /** Whether there are a weight and a bias per channel. Default true. */
  readonly affine?: boolean;
  /** False normalizes by the batch in evaluation as well. Default true. */
  readonly trackRunningStats?: boolean;
}

/**
 * In training, normalizes by the batch and, inside a compiled function, moves the running statistics; outside one nothing is moved,
 * since recipes have no effects. In evaluation, normalizes by the running statistics.
 */
export abstract class BatchNorm<C extends number> extends ChannelNorm<C> {
  constructor(where: string, features: C, options: BatchNormOptions) {
    super(where, features, options, { affine: true, tracked: true });
  }

  override forward(x: Tensor): Tensor {
    this.checkInput('batch_norm', x);
    const [gamma, beta] = [this.gamma(), this.beta()];
    if (this.runningMean !== undefined && this.runningVar !== undefined && !this.training)
      return ops.batchNormEval(x, gamma, beta, this.runningMean, this.runningVar, this.eps);
    const { y, mean, variance } = ops.batchNormTrain(x, gamma, beta, this.eps);
    this.track(x.size / this.features, () => [mean, variance]);
    return y;
  }
}

/** Of [N, C]. */
export class BatchNorm1d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm1d';
  protected readonly rank = 2;

  constructor(features: C, options: BatchNormOptions = {}) {
    super('nn.batchNorm1d', features, options);
  }
}

/** Of [N, C, H, W]. */
export class BatchNorm2d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm2d';
  protected readonly rank = 4;

  constructor(features: C, options: BatchNormOptions = {}) {
    super('nn.batchNorm2d', features, options);
  }
}

/** Batch normalization of [N, C]. Parameters and buffers as in PyTorch, without num_batches_tracked. @throws OptionError */
export function batchNorm1d<const C extends number>(
  features: C,
  options: BatchNormOptions = {},
): BatchNorm1d<C> {
  return new BatchNorm1d(features, options);
}

/** Batch normalization of [N, C, H, W]. Parameters and buffers as in PyTorch, without num_batches_tracked. @throws OptionError */
export function batchNorm2d<const C extends number>(
  features: C,
  options: BatchNormOptions = {},
): BatchNorm2d<C> {
  return new BatchNorm2d(features, options);
}
