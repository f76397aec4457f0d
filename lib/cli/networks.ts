/**
 * The networks of `--model`: how each is made, what it was made for, and what training and `tenon bench`
 * need to know.
 */
import * as models from '../models';
import * as nn from '../nn';
import * as optim from '../optim';
import { UsageError } from './exit-codes';
import { named } from './names';

/** Channels, height, width. */
export type InputShape = readonly [channels: number, height: number, width: number];

type Make = (shape: InputShape, classes: number) => nn.Module;

export interface Network {
  /** @throws UsageError, OptionError where the input does not suit the network */
  readonly make: Make;
  /** The input and the number of classes that it was made for. */
  readonly input: InputShape;
  readonly classes: number;
  /**
   * By default, deep networks are trained by SGD in batches of 128 with a warm-up, others by Adam in
   * batches of 64.
   */
  readonly deep: boolean;
  readonly batchNorm: boolean;
  /** Weights that other programs published for it. */
  readonly published?: PublishedWeights;
  /** The defaults of `tenon bench`. */
  readonly bench: { readonly batch: number; readonly optimizer: () => optim.Optimizer };
}

/** What files of weights from other programs do not say. */
export interface PublishedWeights {
  /** How the network took images when they were trained. */
  readonly preprocessing: nn.Preprocessing;
  /** The names of the network for theirs, where these differ. */
  readonly names?: nn.NameMap;
}

const adam = (): optim.Optimizer => optim.adam();
export const sgd = (): optim.Optimizer => optim.sgd({ lr: 0.01, momentum: 0.9, weightDecay: 1e-4 });

type Family = Omit<Network, 'make'>;

const DIGITS: Family = {
  input: [1, 28, 28],
  classes: 10,
  deep: false,
  batchNorm: false,
  bench: { batch: 64, optimizer: adam },
};
const CIFAR: Family = {
  input: [3, 32, 32],
  classes: 10,
  deep: true,
  batchNorm: true,
  bench: { batch: 128, optimizer: sgd },
};
const IMAGENET: Family = {
  input: [3, 224, 224],
  classes: 1000,
  deep: true,
  batchNorm: true,
  published: { preprocessing: models.imagenet },
  bench: { batch: 16, optimizer: sgd },
};
const PLAIN_IMAGENET: Family = { ...IMAGENET, batchNorm: false };

/** Each network is listed once, under its name on the command line and in run.json. */
export const NETWORKS = named<Network>()({
  mlp: { ...DIGITS, make: mlp, bench: { batch: 128, optimizer: sgd } },
  lenet5: { ...DIGITS, make: square('lenet5', models.lenet5) },
  lenet: { ...DIGITS, make: square('lenet', models.lenet) },
  vggs: { ...CIFAR, make: square('vggs', models.vggs) },
  resnet20: { ...CIFAR, make: anySize(models.resnet20) },
  cifar_resnet20: { ...CIFAR, make: anySize(models.cifarResnet20) },
  cifar_resnet32: { ...CIFAR, make: anySize(models.cifarResnet32) },
  cifar_resnet44: { ...CIFAR, make: anySize(models.cifarResnet44) },
  cifar_resnet56: { ...CIFAR, make: anySize(models.cifarResnet56) },
  cifar_resnet110: { ...CIFAR, make: anySize(models.cifarResnet110) },
  alexnet: { ...PLAIN_IMAGENET, make: largeEnough(models.alexnet) },
  vgg11: { ...PLAIN_IMAGENET, make: largeEnough(models.vgg11) },
  vgg13: { ...PLAIN_IMAGENET, make: largeEnough(models.vgg13) },
  vgg16: { ...PLAIN_IMAGENET, make: largeEnough(models.vgg16) },
  vgg19: { ...PLAIN_IMAGENET, make: largeEnough(models.vgg19) },
  vgg11_bn: { ...IMAGENET, make: largeEnough(models.vgg11Bn) },
  vgg13_bn: { ...IMAGENET, make: largeEnough(models.vgg13Bn) },
  vgg16_bn: { ...IMAGENET, make: largeEnough(models.vgg16Bn) },
  vgg19_bn: { ...IMAGENET, make: largeEnough(models.vgg19Bn) },
  resnet18: { ...IMAGENET, make: anySize(models.resnet18) },
  resnet34: { ...IMAGENET, make: anySize(models.resnet34) },
  resnet50: { ...IMAGENET, make: anySize(models.resnet50) },
  resnet101: { ...IMAGENET, make: anySize(models.resnet101) },
  resnet152: { ...IMAGENET, make: anySize(models.resnet152) },
  mobilenet_v2: { ...IMAGENET, make: anySize(models.mobilenetV2) },
  efficientnet_lite0: {
    ...IMAGENET,
    make: anySize(models.efficientnetLite0),
    published: { preprocessing: models.imagenetInception, names: models.efficientnetPytorchNames },
  },
});

export type ModelName = keyof typeof NETWORKS;

/**
 * The side to which larger images of a folder are scaled by default: what the network was made for, but
 * at least 64.
 */
export function defaultSide(model: ModelName): number {
  return Math.max(64, NETWORKS[model].input[1]);
}

/** Three dense layers with 256 and 128 hidden units. */
function mlp([channels, height, width]: InputShape, classes: number): nn.Module {
  return nn.sequential(
    nn.flatten(),
    nn.linear(channels * height * width, 256),
    nn.relu(),
    nn.linear(256, 128),
    nn.relu(),
    nn.linear(128, classes),
  );
}

type Model<Options> = (options: Options) => nn.Module;

/** Takes square images only. */
function square(name: string, model: Model<models.ModelOptions>): Make {
  return ([inChannels, height, width], classes) => {
    if (height === width) return model({ inChannels, imageSize: height, classes });
    throw new UsageError(
      `--model ${name} takes square images, these are ${height}x${width} (height x width): give --image-size`,
    );
  };
}

/** Takes images of any size. */
function anySize(model: Model<models.ModelOptions>): Make {
  return ([inChannels], classes) => model({ inChannels, classes });
}

/** Takes images of any size that is large enough for its pooling. The model checks the smaller side. */
function largeEnough(model: Model<models.ClassifierOptions>): Make {
  return ([inChannels, height, width], classes) =>
    model({ inChannels, classes, imageSize: Math.min(height, width) });
}
