/** MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), with torchvision's names of parameters. */
import * as nn from '../nn';
import { positive, probability } from '../options';
import { torchvisionWeights } from './initial-weights';
import { seeded } from './lenet';
import { depthSettings, resolveOptions, type ResidualOptions } from './options';

export interface MobilenetOptions extends ResidualOptions {
  /** Channels of every layer times this, rounded to multiples of 8; the last 1280 never shrink. Default 1. */
  readonly widthMult?: number;
  /** Probability of dropout before the last layer. Default 0.2. */
  readonly dropout?: number;
}

/** Expansion, channels, blocks, stride of the first block. */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** The nearest multiple of 8, but not more than a tenth below. */
function roundChannels(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}

/** Convolution, batch norm, relu6. */
function convNormRelu(from: number, to: number, kernel: number, stride: number): nn.Module {
  const padding = kernel >> 1;
  return nn.sequential(
    nn.conv2d<number, number>(from, to, { kernel, stride, padding, bias: false }),
    nn.batchNorm2d<number>(to),
    nn.relu6(),
  );
}

/**
 * conv 32@3x3 stride 2; 17 inverted residuals (expansion 6, but 1 in the first) at 16, 24, 32, 64, 96, 160
 * and 320 channels; conv 1280@1x1; each convolution with batch norm, and with relu6 but where a block ends;
 * global average pool, dropout, fc classes. The image shrinks to a 32nd. Input [N, 3, 224, 224], any size
 * works. Names, shapes and initial weights are torchvision's, so its weights load (saved as safetensors).
 * @param options classes default to 1000, as in torchvision
 * @throws OptionError
 */
export function mobilenetV2(options: MobilenetOptions = {}): nn.NamedSequential {
  const where = 'models.mobilenetV2';
  const defaults = { classes: 1000, inChannels: 3, imageSize: 224, minimumSize: 1 };
  const more = ['widthMult', 'dropout', 'stochasticDepth'];
  const { classes, inChannels } = resolveOptions(where, options, defaults, more);
  const total = stages.reduce((sum, [, , blocks]) => sum + blocks, 0);
  const depth = depthSettings(where, options, total);
  const width = positive(where, 'widthMult', options.widthMult ?? 1);
  const p = probability(where, 'dropout', options.dropout ?? 0.2);
  const last = roundChannels(1280 * Math.max(1, width));
  let channels = roundChannels(32 * width);
  const features = [convNormRelu(inChannels, channels, 3, 2)];
  for (const [expansion, base, blocks, first] of stages) {
    const to = roundChannels(base * width);
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 ? first : 1;
      features.push(nn.invertedResidual(channels, to, { stride, expansion, ...depth() }));
      channels = to;
    }
  }
  features.push(convNormRelu(channels, last, 1, 1));
  const model = nn.namedSequential({
    features: nn.sequential(...features),
    avgpool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    classifier: nn.sequential(nn.dropout(p), nn.linear<number, number>(last, classes)),
  });
  return seeded(torchvisionWeights(model), options);
}
