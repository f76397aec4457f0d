/**
 * `--lr-base-batch`: the linear scaling rule (Goyal et al. 2017), by which k times the batch has k
 * times the rate.
 */
import { linearScaling } from '../schedules';

export interface Scaling {
  readonly batchSize: number;
  /** The batch size that the learning rate is good for; null: the one that is trained with. */
  readonly lrBaseBatch: number | null;
}

/** The learning rate of the training's batches. */
export function scaledRate(lr: number, { batchSize, lrBaseBatch }: Scaling): number {
  return lrBaseBatch === null ? lr : linearScaling(lr, { batchSize, baseBatchSize: lrBaseBatch });
}

/** The share of its rate that a warm-up rises from: that of the base batch, where the rate is above it. */
export function firstShare({ batchSize, lrBaseBatch }: Scaling): number {
  return isEnlarged({ batchSize, lrBaseBatch }) ? lrBaseBatch! / batchSize : 0;
}

/** Whether batches are larger than those that the rate is good for. */
export function isEnlarged({ batchSize, lrBaseBatch }: Scaling): boolean {
  return lrBaseBatch !== null && batchSize > lrBaseBatch;
}
