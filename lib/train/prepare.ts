/** What a run of `fit` begins with: where it continues, how its batches are cut, and where they come from. */
import type { Augmentation } from '../augment';
import { Dataset } from '../data/dataset';
import type { WeightedRandomSampler } from '../data/sampler';
import { OptionError } from '../errors';
import { clip } from '../options';
import type { Tensor } from '../tensor/tensor';
import { augmentedBatches, trainedSize } from './augmented';
import { DatasetSource, StreamSource, type BatchSource, type BatchStream } from './batch-source';
import { readCheckpoint, type Resumed } from './checkpoint';
import { factsOf, kernelsOf } from './facts';
import { settleBatches, type CheckedFitOptions, type FitOptions, type ShardOptions } from './fit-options';
import { keepPreprocessing, normalizationFor, settleTransform, type InputTransform } from './inputs';
import { ownRange, type Ranks } from './ranks';
import type { RunOptions } from './run';
import { shareState, type Shared } from './shared-state';
import { samplesOf, ShardedSource, type ShardRange } from './shards';

/** What a trainer brings to a run. */
export interface PreparedTrainer extends Omit<Shared, 'callbacks'>, ShardOptions {
  readonly augment: readonly Augmentation[];
  readonly inputTransform: InputTransform | undefined;
  readonly seed: number;
  /** The epoch that augmentation reads: a runtime scalar. */
  readonly epoch: Tensor;
}

/** A call of `fit`. */
export interface GivenRun {
  readonly trainer: PreparedTrainer;
  readonly data: Dataset | BatchStream;
  readonly options: FitOptions;
  readonly checked: CheckedFitOptions;
}

/** What a run works with. */
export interface PreparedRun {
  /** Undefined for a run from the beginning. */
  readonly resumed: Resumed | undefined;
  /** What should be known about it. */
  readonly warnings: readonly string[];
  readonly batches: RunOptions['batches'];
  /** Where there are shards, it has only those of this process. */
  readonly source: BatchSource;
}

/** @throws as `fit` */
export async function prepareRun(given: GivenRun): Promise<PreparedRun> {
  await given.trainer.model.ensureInitializedAsync({ seed: given.trainer.seed });
  return settle(given, await readResumed(given), undefined);
}

/**
 * As `prepareRun`, on all ranks of a world. Rank 0 reads the checkpoint and settles what inputs go through,
 * which may take a pass over the data; the others take over what it has come to.
 * @throws also OptionError where ranks have other options or other data; DistributedError
 */
export async function prepareTogether(given: GivenRun, ranks: Ranks): Promise<PreparedRun> {
  const { trainer, checked } = given;
  await ranks.compare('fit', factsOf(given));
  await ranks.together('fit', () => trainer.model.ensureInitializedAsync({ seed: trainer.seed }));
  const first = await ranks.onFirst('fit', async () => settle(given, await readResumed(given), ranks));
  const resumed = await shareState(ranks, { ...trainer, callbacks: checked.callbacks }, first?.resumed);
  const prepared = await ranks.together('fit', async () => first ?? settle(given, resumed, ranks));
  const differing = await ranks.differences(kernelsOf());
  const warnings = differing.map((what) => `fit: ${what}: their weights will drift apart in their last bits`);
  return { ...prepared, warnings: [...prepared.warnings, ...warnings] };
}

async function readResumed({ trainer, options, checked }: GivenRun): Promise<Resumed | undefined> {
  if (options.resume === undefined) return undefined;
  const { model, optimizer, precision, average, seed, shards, syncBatchNorm, inputTransform } = trainer;
  const { batches, callbacks } = checked;
  const trained = { model, optimizer, precision, average, callbacks };
  const expected = { seed, batches: { ...batches, shards, syncBatchNorm } };
  const resumed = await readCheckpoint(options.resume, trained, expected);
  if (model.inputTransform === undefined && inputTransform !== undefined)
    throw new OptionError(
      `resume: ${clip(options.resume)} was trained without an inputTransform, the trainer has one`,
    );
  return resumed;
}

async function settle(
  { trainer, data, checked }: GivenRun,
  resumed: Resumed | undefined,
  ranks: Ranks | undefined,
): Promise<PreparedRun> {
  const batches = settleBatches(checked, trainer, resumed);
  const { shards } = batches;
  const range = ownRange(shards, ranks);
  const whole = await sourceOf(trainer, data, batches, { sampler: checked.sampler, range });
  const source = shards > 1 ? new ShardedSource(whole, range) : whole;
  return { resumed, batches, source, warnings: resumed?.warnings ?? [] };
}

/** Settles what inputs go through, and keeps it in the model. */
async function sourceOf(
  { model, augment, inputTransform, seed, epoch }: PreparedTrainer,
  data: Dataset | BatchStream,
  { batchSize, accumulate, lastBatch }: RunOptions['batches'],
  { sampler, range }: { readonly sampler: WeightedRandomSampler | undefined; readonly range: ShardRange },
): Promise<BatchSource> {
  if (!(data instanceof Dataset)) {
    await settleTransform('fit', model, inputTransform);
    return new StreamSource(data, accumulate);
  }
  const transform = inputTransform ?? model.inputTransform;
  const normalization = await normalizationFor(model, data, transform);
  const recipe = await augmentedBatches(augment, data, { seed, epoch, normalization, transform });
  keepPreprocessing(model, data, normalization, trainedSize(augment, data));
  const seen = { ...normalization, crop: model.preprocessing?.crop };
  await settleTransform('fit', model, inputTransform, { data, normalization: seen });
  const cut = { batchSize: batchSize!, accumulate, lastBatch: lastBatch! };
  const part = (size: number): [begin: number, end: number] => samplesOf(range, size);
  return new DatasetSource(data, { cut, shuffleSeed: seed, sampler, part, ...recipe });
}
