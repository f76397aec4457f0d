/**
 * Training and evaluation. `Trainer` checks what it is given and prepares the data (inputs.ts,
 * batch-source.ts); `FitRun` (run.ts) is the loop over epochs and steps, whose compiled programs are in
 * steps.ts. A run tells its followers what happens (events.ts, followers.ts, callbacks.ts, progress.ts,
 * early-stopping.ts, gradual-unfreezing.ts) and saves checkpoints (saves.ts, checkpoint.ts, position.ts,
 * callback-state.ts). `evaluate` needs none of them.
 */
export { Trainer, type EvaluateOptions, type TrainerOptions, type UpdateBatchNormOptions } from './trainer';
export { evaluate, type EvaluationOptions } from './evaluate';
export type { Evaluation } from './totals';
export { checkpoint, type CheckpointOptions } from './callbacks';
export { earlyStopping, EarlyStopping, type EarlyStoppingOptions } from './early-stopping';
export { gradualUnfreezing, type GradualUnfreezingOptions } from './gradual-unfreezing';
export { describeEpoch, progress, type ProgressOptions, type ProgressStream } from './progress';
export { rateRange, type RateRange, type RateRangeOptions } from './rate-range';
export { Snapshot } from './snapshot';
export { Fit } from './fit';
export type { FitOptions } from './fit-options';
export type { Validation } from './validation';
export type { LastBatch } from '../data/cut';
export type * from './events';
export type * from './saved-state';
export type { BatchStream, ShapedArray, StreamBatch } from './batch-source';
