/** Batch normalization layers; the formula is in lib/ops/batch-norm.ts. */
import { currentTrace } from '../../graph/trace';
import * as ops from '../../ops';
import { syncBatchNorm } from '../../ops/sync-batch-norm';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { ChannelNorm, type BatchNormOptions } from './channel-norm';

export type { BatchNormOptions };

/**
 * In training, normalizes by the batch and, inside a compiled function, moves the running statistics; outside
 * one nothing is moved, since recipes have no effects. A trainer's `syncBatchNorm` makes the shards of a
 * batch one batch here. In evaluation, and where they are frozen, normalizes by the running statistics.
 */
export abstract class BatchNorm<C extends number> extends ChannelNorm<C> {
  override forward(x: Tensor): Tensor {
    this.checkInput('batch_norm', x);
    const [gamma, beta] = [this.gamma(), this.beta()];
    const fixed = this.fixed();
    if (fixed !== undefined) return ops.batchNormEval(x, gamma, beta, ...fixed, this.eps);
    const shards = currentTrace()?.syncedShards;
    if (shards !== undefined) {
      const { y, mean, variance } = syncBatchNorm(x, gamma, beta, shards, this.eps);
      this.track(Infinity, () => [mean, variance]);
      return y;
    }
    const { y, mean, variance } = ops.batchNormTrain(x, gamma, beta, this.eps);
    this.track(x.size / this.features, () => [mean, variance]);
    return y;
  }
}

/** Takes [N, C]. */
export class BatchNorm1d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm1d';
  protected readonly rank = 2;

  constructor(features: C, options: BatchNormOptions = {}) {
    super(features, options);
  }
}

/** Takes [N, C, H, W]. */
export class BatchNorm2d<C extends number = number> extends BatchNorm<C> {
  static override readonly kind: string = 'batchNorm2d';
  protected readonly rank = 4;

  constructor(features: C, options: BatchNormOptions = {}) {
    super(features, options);
  }
}

/**
 * Batch normalization of f32 [N, C]: y = weight (x - mean) / sqrt(variance + eps) + bias for each channel,
 * with mean and variance over N of the batch in training, and the running ones in evaluation (Ioffe &
 * Szegedy 2015). Parameters and buffers, all [C], as in PyTorch, without num_batches_tracked.
 * @throws OptionError
 */
export const batchNorm1d = maker(BatchNorm1d);

/**
 * Batch normalization of f32 [N, C, H, W]: y = weight (x - mean) / sqrt(variance + eps) + bias
 * for each channel, with mean and variance over N, H and W of the batch in training, and the
 * running ones in evaluation (Ioffe & Szegedy 2015). Parameters and buffers, all [C], as in
 * PyTorch, without num_batches_tracked.
 * @throws OptionError
 */
export const batchNorm2d = maker(BatchNorm2d);
