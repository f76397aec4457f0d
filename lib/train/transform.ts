/** Which transform the inputs of a model go through: its own, the trainer's, or one fitted now. */
import { Dataset } from '../data/dataset';
import type { ChannelStatistics } from '../data/samples';
import { OptionError } from '../errors';
import type { Module } from '../nn/module';
import { showMade } from '../options';
import { FittedTransform, Transform } from '../preprocess';
import { sameSteps } from '../preprocess/description';
import type { BatchStream } from './source';

export type InputTransform = Transform | FittedTransform;

/** @throws OptionError */
export function checkTransform(value: unknown): InputTransform | undefined {
  if (value === undefined || value instanceof Transform || value instanceof FittedTransform) return value;
  throw new OptionError(
    `Trainer: inputTransform must be one such as preprocess.standardize(), got ${showMade(value)}`,
  );
}

/**
 * Gives the model its transform where it has none yet. `training`: what an unfitted one is fitted to, and how its images are normalized
 * first; undefined where nothing may be learnt from the data at hand.
 * @throws OptionError where the model has another transform, or one would have to be fitted and cannot be
 */
export async function settleTransform(
  where: string,
  model: Module,
  wanted: InputTransform | undefined,
  training?: { readonly data: Dataset | BatchStream; readonly normalization: ChannelStatistics },
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
  if (training === undefined || !(training.data instanceof Dataset)) {
    throw new OptionError(
      `${where}: the trainer's inputTransform is not fitted: fit it to training data, inputTransform: await transform.fit(data)`,
    );
  }
  model.inputTransform = await wanted.fit(training.data, training.normalization);
}
