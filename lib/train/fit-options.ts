/** The options of `Trainer.fit`, and their checks. */
import { cutEpoch, LAST_BATCHES, type LastBatch } from '../data/cut';
import { Dataset } from '../data/dataset';
import { WeightedRandomSampler } from '../data/sampler';
import type { World } from '../distributed';
import { OptionError } from '../errors';
import type { Running } from '../metrics';
import {
  checkKeys,
  checkSignal,
  nonEmptyString,
  oneOf,
  positive,
  positiveInteger,
  showMade,
} from '../options';
import { checkCallbacks } from './callbacks';
import type { Expected, Resumed } from './checkpoint';
import { checkMetrics } from './evaluate';
import type { Callback } from './events';
import { checkNames } from './figures';
import type { RunOptions } from './run';
import { requireSamples } from './batch-source';
import { requireSeveral, requireShardable, requireShardEach } from './shards';
import { checkValidation, type CheckedValidation, type Validation } from './validation';

/** Options of `Trainer.fit`. */
export interface FitOptions {
  /** Passes over the data, 1 or more; a run that is resumed counts those before it. */
  readonly epochs: number;
  /** The most samples per batch of a Dataset. Default 32. */
  readonly batchSize?: number;
  /**
   * What happens to samples of a Dataset that do not fill a batch. 'even' shares them among all batches.
   * 'keep' makes the last batch smaller, or larger by one sample if only one is left over. 'drop' leaves them
   * out of the epoch. Default 'even', or the choice of the run that is resumed.
   */
  readonly lastBatch?: LastBatch;
  /**
   * Draws the samples of each epoch, such as `data.weightedRandomSampler({ weights: 'balanced' })`. Default:
   * each sample of a Dataset comes once, in random order.
   */
  readonly sampler?: WeightedRandomSampler;
  /**
   * Batches per step. Their gradients are accumulated, so that the step is that of one batch of
   * `batchSize * accumulate` samples in the memory of a small one. Only batch norm still sees the small
   * batches. With `lastBatch` 'keep' and 'drop', the last step of an epoch may have fewer batches. Default 1.
   */
  readonly accumulate?: number;
  /**
   * Evaluated after each epoch; `{ data, crops: 10, scales: [...] }` for several views of each
   * image. Default: none.
   */
  readonly validation?: Dataset | Validation;
  /**
   * Measured on the validation set after each epoch, beside loss and accuracy, and recorded as the epoch's
   * `validationMetrics`. Made by `metrics.running`. Default none.
   */
  readonly metrics?: readonly Running<unknown>[];
  /**
   * Ends training after the kernel or the prediction that is running now. A step that is being written
   * finishes. The weights are those after the last whole step, and `fit` rejects with an AbortedError whose
   * cause is the signal's reason.
   */
  readonly signal?: AbortSignal;
  /**
   * Called with the events of the run, such as `checkpoint(directory)` and `earlyStopping()`. Default none.
   */
  readonly callbacks?: readonly Callback[];
  /**
   * A directory of checkpoints, or one checkpoint, to continue from: with the same bits as
   * if never interrupted. Default: from the beginning.
   */
  readonly resume?: string;
  /**
   * Ends training after this many steps in all. Schedules still see the whole training. Default: no limit.
   */
  readonly maxSteps?: number;
  /** Ends training after the step in which so many milliseconds have passed. Default: no limit. */
  readonly timeLimitMs?: number;
}

const FIT_KEYS = [
  'epochs',
  'batchSize',
  'lastBatch',
  'sampler',
  'accumulate',
  'validation',
  'metrics',
  'signal',
  'callbacks',
  'resume',
  'maxSteps',
  'timeLimitMs',
] as const;

/** Options of a run, except for what a checkpoint may decide. */
export interface CheckedFitOptions extends Omit<RunOptions, 'batches'> {
  readonly batches: Omit<Expected['batches'], keyof ShardSettings>;
  readonly metrics: readonly Running<unknown>[];
  readonly sampler: WeightedRandomSampler | undefined;
  readonly validation: CheckedValidation | undefined;
}

/** @throws OptionError, DataError */
export function checkFitOptions(data: unknown, options: FitOptions): CheckedFitOptions {
  if (options === undefined) throw new OptionError('fit: options are missing; at least { epochs }');
  checkKeys('fit', options, FIT_KEYS);
  const dataset = data instanceof Dataset ? data : undefined;
  if (dataset !== undefined) requireSamples('fit', dataset);
  for (const key of ['batchSize', 'lastBatch', 'sampler'] as const)
    if (dataset === undefined && options[key] !== undefined)
      throw new OptionError(`fit: ${key} is for a Dataset; a stream makes its own batches`);
  const validation = checkValidation(options.validation);
  if (options.resume !== undefined) nonEmptyString('fit', 'resume', options.resume);
  const { callbacks = [], metrics = [] } = options;
  checkCallbacks(callbacks);
  checkMetrics('fit', metrics);
  checkNames(metrics);
  if (metrics.length > 0 && validation === undefined)
    throw new OptionError('fit: metrics are measured on the validation set, and there is none');
  return {
    epochs: positiveInteger('fit', 'epochs', options.epochs),
    callbacks,
    metrics,
    validation,
    sampler: options.sampler,
    signal: checkSignal('fit', options.signal),
    maxSteps:
      options.maxSteps === undefined ? Infinity : positiveInteger('fit', 'maxSteps', options.maxSteps),
    timeLimitMs:
      options.timeLimitMs === undefined ? Infinity : positive('fit', 'timeLimitMs', options.timeLimitMs),
    batches: checkBatches(dataset, options),
  };
}

function checkBatches(dataset: Dataset | undefined, options: FitOptions): CheckedFitOptions['batches'] {
  const accumulate = positiveInteger('fit', 'accumulate', options.accumulate ?? 1);
  if (dataset === undefined)
    return { batchSize: null, samples: null, selection: null, accumulate, lastBatch: undefined };
  const batchSize = positiveInteger('fit', 'batchSize', options.batchSize ?? 32);
  const lastBatch =
    options.lastBatch === undefined ? undefined : oneOf('fit', 'lastBatch', options.lastBatch, LAST_BATCHES);
  const { sampler } = options;
  checkSampler(sampler, dataset);
  const samples = sampler?.count(dataset) ?? dataset.length;
  cutEpoch(samples, { batchSize, lastBatch: lastBatch ?? 'even' });
  const selection = [dataset.fingerprint, ...(sampler === undefined ? [] : [sampler.fingerprint])].join(' ');
  return { batchSize, samples, selection, accumulate, lastBatch };
}

function checkSampler(sampler: unknown, dataset: Dataset): void {
  if (sampler === undefined) return;
  if (!(sampler instanceof WeightedRandomSampler))
    throw new OptionError(
      `fit: sampler must be one such as data.weightedRandomSampler({ weights: 'balanced' }), got ${showMade(sampler)}`,
    );
  sampler.check('fit', dataset);
}

/** What a trainer says of shards; undefined leaves it to the run. */
export interface ShardSettings {
  readonly shards: number | undefined;
  readonly syncBatchNorm: boolean | undefined;
}

/** That, and the world it trains in. */
export interface ShardOptions extends ShardSettings {
  readonly world: World | undefined;
}

/**
 * How a run cuts its epochs and batches: as its options and the trainer's `shards` say, or else as the run
 * that it resumes did.
 * @throws OptionError where an epoch has a batch of fewer samples than shards, a rank has no shard, or batch
 *   norm is to see all shards of one
 */
export function settleBatches(
  { batches }: Pick<CheckedFitOptions, 'batches'>,
  { shards, syncBatchNorm, world }: ShardOptions,
  resumed: Resumed | undefined,
): RunOptions['batches'] {
  const before = resumed?.position.batches;
  const settled = {
    ...batches,
    shards: shards ?? before?.shards ?? world?.size ?? 1,
    syncBatchNorm: syncBatchNorm ?? before?.syncBatchNorm ?? false,
  };
  requireShardEach('fit', settled.shards, world);
  if (settled.syncBatchNorm) requireSeveral('fit', settled.shards);
  const { batchSize, samples, accumulate } = batches;
  if (batchSize === null || samples === null) return { ...settled, lastBatch: null };
  const lastBatch = batches.lastBatch ?? before?.lastBatch ?? 'even';
  requireShardable(cutEpoch(samples, { batchSize, accumulate, lastBatch }), settled.shards);
  return { ...settled, lastBatch };
}
