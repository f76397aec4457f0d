/** AlexNet (Krizhevsky 2014, "One weird trick"), with torchvision's names of parameters. */
import * as nn from '../nn';
import { positiveInteger, probability } from '../options';
import { seeded } from './lenet';
import { resolveOptions, type ModelOptions } from './options';

/** Options of models that end in three linear layers. */
export interface ClassifierOptions extends ModelOptions {
  /** Probability of dropout between the linear layers. Default 0.5. */
  readonly dropout?: number;
  /** Outputs of the first two linear layers. Default 4096. */
  readonly hidden?: number;
}

export interface ResolvedClassifier {
  readonly classes: number;
  readonly inChannels: number;
  readonly p: number;
  readonly hidden: number;
}

/** Checks the options of a model for ImageNet. @throws OptionError */
export function resolveClassifier(
  where: string,
  options: ClassifierOptions,
  minimumSize: number,
): ResolvedClassifier {
  const defaults = { classes: 1000, inChannels: 3, imageSize: 224, minimumSize };
  const keys = ['dropout', 'hidden'];
  const { classes, inChannels } = resolveOptions(where, options, defaults, keys);
  return {
    classes,
    inChannels,
    p: probability(where, 'dropout', options.dropout ?? 0.5),
    hidden: positiveInteger(where, 'hidden', options.hidden ?? 4096),
  };
}

/**
 * conv 64@11x11 stride 4 pad 2, maxpool 3 stride 2, conv 192@5x5 pad 2, maxpool, conv 384, 256, 256@3x3 pad
 * 1, maxpool, each convolution with relu; adaptive average pool 6x6; dropout, fc 4096, relu, dropout, fc
 * 4096, relu, fc classes. Input [N, 3, 224, 224], any size from 63 works. Names, shapes and initial weights
 * are torchvision's, so its weights load (saved as safetensors).
 * @param options classes default to 1000
 * @throws OptionError; imageSize is at least 63
 */
export function alexnet(options: ClassifierOptions = {}): nn.NamedSequential {
  const { classes, inChannels, p, hidden } = resolveClassifier('models.alexnet', options, 63);
  const conv = (from: number, to: number, kernel: number, padding: number, stride = 1): nn.Conv2d =>
    nn.conv2d<number, number>(from, to, { kernel, stride, padding });
  const pool = (): nn.Module => nn.maxPool2d(3, { stride: 2 });
  const features: readonly nn.Module[] = [
    ...[conv(inChannels, 64, 11, 2, 4), nn.relu(), pool()],
    ...[conv(64, 192, 5, 2), nn.relu(), pool()],
    ...[conv(192, 384, 3, 1), nn.relu(), conv(384, 256, 3, 1), nn.relu()],
    ...[conv(256, 256, 3, 1), nn.relu(), pool()],
  ];
  const model = nn.namedSequential({
    features: nn.sequential(...features),
    avgpool: nn.adaptiveAvgPool2d(6),
    flatten: nn.flatten(),
    classifier: nn.sequential(
      ...[nn.dropout(p), nn.linear<number, number>(256 * 36, hidden), nn.relu()],
      ...[nn.dropout(p), nn.linear<number, number>(hidden, hidden), nn.relu()],
      nn.linear<number, number>(hidden, classes),
    ),
  });
  return seeded(model, options);
}
