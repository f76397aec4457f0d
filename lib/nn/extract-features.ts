/** A data set of the features that a model returns for another one. */
import { Dataset } from '../data/dataset';
import { DataError, OptionError } from '../errors';
import { showMade } from '../options';
import { Module } from './module';
import type { FeaturesOptions } from './predict-features';

/** Options of `extractFeatures`. */
export type ExtractFeaturesOptions = Omit<FeaturesOptions<string>, 'shape'>;

/**
 * The data set of what the model's layer `at` returns for the samples of `data`, in evaluation mode, with
 * their targets and class names. A linear classifier on it is trained without running the model again:
 *
 * `const train = await nn.extractFeatures(model, images, { at: 'layer4', pool: 'average' })`
 *
 * It is held in memory as floats: with `pool: 'average'` C numbers a sample instead of C H W.
 * @throws as model.predict; OptionError, DataError for a layer that returns scalars
 */
export async function extractFeatures(
  model: Module,
  data: Dataset,
  options: ExtractFeaturesOptions,
): Promise<Dataset> {
  if (!(model instanceof Module))
    throw new OptionError(`extractFeatures: expected a module, got ${showMade(model)}`);
  if (!(data instanceof Dataset))
    throw new OptionError(`extractFeatures: expected a Dataset, got ${showMade(data)}`);
  const at: unknown = options?.at;
  if (typeof at !== 'string')
    throw new OptionError(`extractFeatures: at must be the name of one layer, got ${showMade(at)}`);
  const [rows] = await model.featurePrediction().run(data, options);
  const { shape, values } = rows!;
  if (shape.length === 0) throw new DataError(`extractFeatures: '${at}' returns one number a sample: no row`);
  const { classNames, targetShape, labelled } = data;
  const targets = await data.targets();
  return Dataset.fromFeatures({
    inputs: values,
    shape,
    targets,
    ...(labelled ? { classNames } : { targetShape }),
  });
}
