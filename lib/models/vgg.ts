/**
 * VGG networks (Simonyan & Zisserman 2015), with and without batch norm, with torchvision's
 * names of parameters.
 */
import * as nn from '../nn';
import { resolveClassifier, type ClassifierOptions } from './alexnet';
import { torchvisionWeights } from './initial-weights';
import { seeded } from './lenet';

/** Convolutions in each of the five stages, by the number of layers with weights. */
const stages = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
} as const;
const widths = [64, 128, 256, 512, 512] as const;

function featuresOf(depth: keyof typeof stages, inChannels: number, batchNorm: boolean): nn.Sequential {
  const layers: nn.Module[] = [];
  let channels = inChannels;
  stages[depth].forEach((count, stage) => {
    const width = widths[stage]!;
    for (let i = 0; i < count; i++) {
      layers.push(nn.conv2d<number, number>(channels, width, { kernel: 3, padding: 1 }));
      if (batchNorm) layers.push(nn.batchNorm2d<number>(width));
      layers.push(nn.relu());
      channels = width;
    }
    layers.push(nn.maxPool2d(2));
  });
  return nn.sequential(...layers);
}

function vgg(depth: keyof typeof stages, batchNorm: boolean, options: ClassifierOptions): nn.NamedSequential {
  const where = `models.vgg${depth}${batchNorm ? 'Bn' : ''}`;
  const { classes, inChannels, p, hidden } = resolveClassifier(where, options, 32);
  const model = nn.namedSequential({
    features: featuresOf(depth, inChannels, batchNorm),
    avgpool: nn.adaptiveAvgPool2d(7),
    flatten: nn.flatten(),
    classifier: nn.sequential(
      ...[nn.linear<number, number>(512 * 49, hidden), nn.relu(), nn.dropout(p)],
      ...[nn.linear<number, number>(hidden, hidden), nn.relu(), nn.dropout(p)],
      nn.linear<number, number>(hidden, classes),
    ),
  });
  return seeded(torchvisionWeights(model), options);
}

/**
 * Five stages of 3x3 convolutions with relu (1, 1, 2, 2, 2 of them at 64, 128, 256, 512, 512 channels), each
 * followed by maxpool 2; adaptive average pool 7x7; fc 4096, relu, dropout, fc 4096, relu, dropout, fc
 * classes. Input [N, 3, 224, 224], any size from 32 works. Names, shapes and initial weights are
 * torchvision's, so its weights load (saved as safetensors).
 * @param options classes default to 1000
 * @throws OptionError; imageSize is at least 32
 */
export function vgg11(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(11, false, options);
}

/** As vgg11, with batch norm after each convolution. @throws OptionError */
export function vgg11Bn(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(11, true, options);
}

/** As vgg11, with 2, 2, 2, 2, 2 convolutions. @throws OptionError */
export function vgg13(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(13, false, options);
}

/** As vgg13, with batch norm after each convolution. @throws OptionError */
export function vgg13Bn(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(13, true, options);
}

/** As vgg11, with 2, 2, 3, 3, 3 convolutions. @throws OptionError */
export function vgg16(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(16, false, options);
}

/** As vgg16, with batch norm after each convolution. @throws OptionError */
export function vgg16Bn(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(16, true, options);
}

/** As vgg11, with 2, 2, 4, 4, 4 convolutions. @throws OptionError */
export function vgg19(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(19, false, options);
}

/** As vgg19, with batch norm after each convolution. @throws OptionError */
export function vgg19Bn(options: ClassifierOptions = {}): nn.NamedSequential {
  return vgg(19, true, options);
}
