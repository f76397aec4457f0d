/** Training: Trainer, its events, and built-in callbacks. */
export { Trainer, type EvaluateOptions, type TrainerOptions, type UpdateBatchNormOptions } from './trainer';
export { evaluate, type Evaluation, type EvaluationOptions } from './evaluate';
export { checkpoint, type CheckpointOptions } from './callbacks';
export { describeEpoch, progress, type ProgressOptions, type ProgressStream } from './progress';
export { rateRange, type RateRange, type RateRangeOptions } from './rate-range';
export { Fit } from './fit';
export type { FitOptions } from './fit-options';
export type { LastBatch } from '../data/cut';
export type * from './events';
export type { BatchStream, ShapedArray, StreamBatch } from './batch-source';
