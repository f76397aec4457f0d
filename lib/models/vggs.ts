/** A small VGG with batch norm (Simonyan & Zisserman 2015). */
import * as nn from '../nn';
import { probability } from '../options';
import { seeded } from './lenet';
import { resolveOptions, type ModelOptions } from './options';

export interface VggsOptions extends ModelOptions {
  /** Probability of dropout before the last layer. Default 0.5. */
  readonly dropout?: number;
}

/**
 * [conv 3x3 pad 1 without bias, batch norm, relu] twice at 64, 128 and 256 channels, each pair followed by
 * maxpool 2; fc 256, relu, dropout, fc classes. Input [N, 3, 32, 32].
 * @throws OptionError; imageSize is at least 8
 */
export function vggs(options: VggsOptions = {}): nn.Sequential {
  const where = 'models.vggs';
  const defaults = { inChannels: 3, imageSize: 32, minimumSize: 8 };
  const { classes, inChannels, imageSize } = resolveOptions(where, options, defaults, ['dropout']);
  const p = probability(where, 'dropout', options.dropout ?? 0.5);
  const layers: nn.Module[] = [];
  let channels = inChannels;
  for (const width of [64, 128, 256]) {
    for (let i = 0; i < 2; i++) {
      layers.push(
        nn.conv2d<number, number>(channels, width, { kernel: 3, padding: 1, bias: false }),
        nn.batchNorm2d<number>(width),
        nn.relu(),
      );
      channels = width;
    }
    layers.push(nn.maxPool2d(2));
  }
  const side = Math.floor(imageSize / 8);
  layers.push(
    nn.flatten(),
    nn.linear<number, 256>(channels * side * side, 256),
    nn.relu(),
    nn.dropout(p),
    nn.linear(256, classes),
  );
  return seeded(nn.sequential(...layers), options);
}
