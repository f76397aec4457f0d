/** What inputs go through before a model: the normalization of images, and its transform. */
import type { Dataset } from '../data/dataset';
import type { LastBatch } from '../data/cut';
import type { ChannelStatistics, Normalization, Size } from '../data/samples';
import { OptionError } from '../errors';
import type { Module } from '../nn/module';
import { showMade } from '../options';
import { FittedTransform, Transform } from '../preprocess';
import { sameSteps } from '../preprocess/description';
import { DatasetSource } from './batch-source';

export type InputTransform = Transform | FittedTransform;

/** @throws OptionError */
export function checkTransform(value: unknown): InputTransform | undefined {
  if (value === undefined || value instanceof Transform || value instanceof FittedTransform) return value;
  throw new OptionError(
    `Trainer: inputTransform must be one such as preprocess.standardize(), got ${showMade(value)}`,
  );
}

/**
 * Sets the model's transform if it has none yet. `training` is the data that an unfitted transform is fitted
 * to, and how its images are normalized first; undefined if nothing may be learnt from the data at hand.
 * @throws OptionError where the model has another transform, or one would have to be fitted and cannot be
 */
export async function settleTransform(
  where: string,
  model: Module,
  wanted: InputTransform | undefined,
  training?: { readonly data: Dataset; readonly normalization: Normalization },
): Promise<void> {
  const own = model.inputTransform;
  if (own !== undefined && wanted !== undefined && !sameSteps(own.steps, wanted.steps)) {
    const names = (transform: InputTransform): string => transform.steps.map(({ kind }) => kind).join(', ');
    throw new OptionError(
      `${where}: the model has an inputTransform (${names(own)}) other than the trainer's (${names(wanted)}) or its settings; its weights belong to its own`,
    );
  }
  if (own !== undefined || wanted === undefined) return;
  if (wanted instanceof FittedTransform) {
    model.inputTransform = wanted;
    return;
  }
  if (training === undefined) {
    throw new OptionError(
      `${where}: the trainer's inputTransform is not fitted: fit it to training data, inputTransform: await transform.fit(data)`,
    );
  }
  model.inputTransform = await wanted.fit(training.data, training.normalization);
}

/**
 * How the images of a data set are normalized for a model: by the model's own normalization where it has one,
 * because its weights belong to it; else per channel by the data set's statistics, or not at all where a
 * transform sees to it. Empty for features.
 */
export async function normalizationFor(
  model: Module,
  dataset: Dataset,
  transform: InputTransform | undefined = model.inputTransform,
): Promise<ChannelStatistics> {
  if (dataset.kind !== 'images') return { mean: [], std: [] };
  const own = ownPreprocessing(model, dataset);
  if (own !== undefined) return { mean: own.mean, std: own.std };
  return (transform === undefined ? await dataset.statistics() : undefined) ?? dataset.unscaled();
}

/**
 * Notes in the model what raw images must go through, and what its classes are called. A model that is
 * trained on parts of images, of the size `trained`, sees their centres afterwards.
 */
export function keepPreprocessing(
  model: Module,
  dataset: Dataset,
  { mean, std }: ChannelStatistics,
  trained: Size,
): void {
  if (dataset.kind !== 'images') return;
  const [channels = 1, height = 1, width = 1] = dataset.inputShape;
  const resize = dataset.resize ?? ownPreprocessing(model, dataset)?.resize;
  const [h, w] = trained;
  const part = h <= height && w <= width && (h < height || w < width);
  model.preprocessing = {
    ...{ mean, std, channels, height, width },
    ...(resize && { resize }),
    ...(part && { crop: trained }),
  };
  model.classNames = [...dataset.classNames];
}

/** The model's preprocessing, where it is for images of as many channels. */
function ownPreprocessing({ preprocessing }: Module, dataset: Dataset): Module['preprocessing'] {
  return preprocessing?.mean.length === dataset.inputShape[0] ? preprocessing : undefined;
}

/** Batches of a data set's samples as the model sees them, in the order of the set. */
export async function plainSource(
  model: Module,
  dataset: Dataset,
  batchSize: number,
  lastBatch: LastBatch = 'keep',
): Promise<DatasetSource> {
  const crop = ownPreprocessing(model, dataset)?.crop;
  const recipe = dataset.plainRecipe({ ...(await normalizationFor(model, dataset)), crop });
  return new DatasetSource(dataset, { cut: { batchSize, lastBatch }, shuffleSeed: undefined, recipe });
}
