/** From a recipe to the things that train: model, optimizer, schedule, augmentation. */
import * as augment from '../augment';
import type { Dataset } from '../data';
import * as losses from '../losses';
import * as models from '../models';
import * as nn from '../nn';
import * as optim from '../optim';
import * as schedules from '../schedules';
import { Trainer } from '../train/trainer';
import { UsageError } from './exit-codes';
import type { Augmentation, ModelName, Recipe } from './recipe';
import { withWarmup } from './warmup';

type Builder = (
  shape: readonly [channels: number, height: number, width: number],
  classes: number,
) => nn.Module;

/** Three dense layers: 256 and 128 hidden units. */
const mlp: Builder = ([channels, height, width], classes) =>
  nn.sequential(
    nn.flatten(),
    nn.linear(channels * height * width, 256),
    nn.relu(),
    nn.linear(256, 128),
    nn.relu(),
    nn.linear(128, classes),
  );

function square(model: string, [, height, width]: readonly number[]): number {
  if (height !== width || height === undefined)
    throw new UsageError(
      `--model ${model} takes square images, these are ${height}x${width} (height x width): give --image-size`,
    );
  return height;
}

type Make<Options> = (options: Options) => nn.Module;

/** Takes images of any size. */
function anySize(make: Make<models.ModelOptions>): Builder {
  return ([inChannels], classes) => make({ inChannels, classes });
}

/** Takes images of any size that its pooling leaves something of; the smaller side is checked. */
function largeEnough(make: Make<models.ClassifierOptions>): Builder {
  return ([inChannels, height, width], classes) =>
    make({ inChannels, classes, imageSize: Math.min(height, width) });
}

const BUILDERS: Readonly<Record<ModelName, Builder>> = {
  mlp,
  lenet5: (shape, classes) =>
    models.lenet5({ inChannels: shape[0], imageSize: square('lenet5', shape), classes }),
  lenet: (shape, classes) =>
    models.lenet({ inChannels: shape[0], imageSize: square('lenet', shape), classes }),
  vggs: (shape, classes) => models.vggs({ inChannels: shape[0], imageSize: square('vggs', shape), classes }),
  resnet20: anySize(models.resnet20),
  cifar_resnet20: anySize(models.cifarResnet20),
  cifar_resnet32: anySize(models.cifarResnet32),
  cifar_resnet44: anySize(models.cifarResnet44),
  cifar_resnet56: anySize(models.cifarResnet56),
  cifar_resnet110: anySize(models.cifarResnet110),
  alexnet: largeEnough(models.alexnet),
  vgg11: largeEnough(models.vgg11),
  vgg13: largeEnough(models.vgg13),
  vgg16: largeEnough(models.vgg16),
  vgg19: largeEnough(models.vgg19),
  vgg11_bn: largeEnough(models.vgg11Bn),
  vgg13_bn: largeEnough(models.vgg13Bn),
  vgg16_bn: largeEnough(models.vgg16Bn),
  vgg19_bn: largeEnough(models.vgg19Bn),
  resnet18: anySize(models.resnet18),
  resnet34: anySize(models.resnet34),
  resnet50: anySize(models.resnet50),
  resnet101: anySize(models.resnet101),
  resnet152: anySize(models.resnet152),
};

/** A network by its name. @throws UsageError, OptionError where the input does not suit it */
export function buildNetwork(name: ModelName, shape: Parameters<Builder>[0], classes: number): nn.Module {
  return BUILDERS[name](shape, classes);
}

/** The model, sized for the data, with the seed's initial weights. @throws UsageError, OptionError where the images do not suit it */
export function buildModel(recipe: Recipe, data: Dataset): nn.Module {
  const [channels = 1, height = 1, width = 1] = data.inputShape;
  const model = buildNetwork(recipe.model, [channels, height, width], data.classNames.length);
  return model.initialize({ seed: recipe.seed });
}

export function buildTrainer(recipe: Recipe, model: nn.Module, data: Dataset): Trainer {
  return new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: buildOptimizer(recipe),
    schedule: buildSchedule(recipe),
    augment: recipe.augment.map((name) => buildAugmentation(name, data)),
    seed: recipe.seed,
    precision: recipe.precision,
  });
}

function buildOptimizer({ optimizer, lr, momentum, weightDecay }: Recipe): optim.Optimizer {
  const common = { lr, weightDecay };
  switch (optimizer) {
    case 'sgd':
      return optim.sgd({ ...common, momentum, nesterov: momentum > 0 });
    case 'rmsprop':
      return optim.rmsprop({ ...common, momentum });
    case 'lars':
      return optim.lars({ ...common, momentum, groups: [optim.noDecay({ adapt: false })] });
    case 'lamb':
      return optim.lamb({ ...common, groups: [optim.noDecay({ adapt: false })] });
    case 'adagrad':
    case 'adam':
    case 'adamw':
    case 'nadam':
      return optim[optimizer](common);
  }
}

export function buildSchedule(recipe: Recipe): schedules.Schedule {
  return withWarmup(recipe.warmup, buildDecay(recipe));
}

/** Those that count epochs are stretched to the training: a hundredth, a tenth, three periods, ... at its end. */
function buildDecay({ schedule, epochs, validation }: Recipe): schedules.Schedule {
  switch (schedule) {
    case 'step':
      return schedules.step({ size: Math.max(1, Math.ceil(epochs / 3)), gamma: 0.1 });
    case 'exponential':
      return schedules.exponential({ gamma: 0.01 ** (1 / epochs) });
    case 'inverse':
      return schedules.inverse({ k: 9 / epochs });
    case 'inverse-sqrt':
      return schedules.inverseSqrt({ per: 'epoch' });
    case 'warm-restarts':
      return schedules.warmRestarts({ period: Math.max(1, Math.ceil(epochs / 7)), growth: 2 });
    case 'one-cycle':
      return schedules.oneCycle();
    case 'plateau':
      return schedules.reduceOnPlateau({
        metric: validation > 0 ? 'validationLoss' : 'trainLoss',
        patience: Math.max(1, Math.floor(epochs / 10)),
      });
    case 'constant':
    case 'cosine':
    case 'linear':
    case 'polynomial':
      return schedules[schedule]();
  }
}

/** Crops are padded by an eighth of the side, as is usual for CIFAR (4 of 32). */
function buildAugmentation(name: Augmentation, data: Dataset): augment.Augmentation {
  if (name === 'flip') return augment.flip();
  const [, height = 1, width = 1] = data.inputShape;
  const padding = Math.max(1, Math.round(Math.min(height, width) / 8));
  return augment.randomCrop([height, width], { padding });
}
