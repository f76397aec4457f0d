/** From a recipe to what trains: the model and its trainer. */
import type { Augmentation } from '../augment';
import type { Dataset } from '../data';
import type { World } from '../distributed';
import type { Module } from '../nn';
import { trainedSize } from '../train/augmented';
import { Trainer } from '../train/trainer';
import { augmentationFor } from './augmentations';
import { buildLoss } from './loss-flags';
import { mixingFor } from './mixing-flags';
import { NETWORKS } from './networks';
import { makeOptimizer } from './optimizers';
import type { Recipe } from './recipe';
import { penaltiesOf, setNoise } from './regularization-flags';
import { scaledRate } from './scaling';
import { buildSchedule } from './schedules';

/**
 * The model, sized for the images as they are trained on, with the seed's initial weights. @throws
 * UsageError, OptionError where the images do not suit it
 */
export function buildModel(recipe: Recipe, data: Dataset): Module {
  const [channels = 1] = data.inputShape;
  const [height, width] = trainedSize(augmentationsOf(recipe, data), data);
  const model = NETWORKS[recipe.model].make([channels, height, width], data.classNames.length);
  setNoise(recipe, model);
  return model.initialize({ seed: recipe.seed });
}

function augmentationsOf({ augment }: Recipe, data: Dataset): Augmentation[] {
  return augment.map((text) => augmentationFor(text, data));
}

/** @param world the ranks that train together, where there are several */
export function buildTrainer(recipe: Recipe, model: Module, data: Dataset, world?: World): Trainer {
  return new Trainer(model, {
    loss: buildLoss(recipe, data),
    regularizer: penaltiesOf(recipe),
    optimizer: makeOptimizer(recipe.optimizer, { ...recipe, lr: scaledRate(recipe.lr, recipe) }, model),
    schedule: buildSchedule(recipe),
    augment: [...augmentationsOf(recipe, data), ...mixingFor(recipe)],
    seed: recipe.seed,
    precision: recipe.precision,
    shards: recipe.shards,
    ...(recipe.syncBatchNorm && { syncBatchNorm: true }),
    ...(world && { world }),
  });
}
