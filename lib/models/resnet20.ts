/**
 * The 20-layer residual network for CIFAR (He, Zhang, Ren, Sun 2016, section 4.2), with
 * 1x1 convolution shortcuts.
 */
import * as nn from '../nn';
import { seeded } from './lenet';
import { depthSettings, resolveOptions, type ResidualOptions } from './options';

/**
 * conv 16@3x3 pad 1, batch norm, relu; three residual blocks each at 16, 32 and 64 channels, the second and
 * third stage starting with stride 2; global average pool; fc classes. Parameters of a block: c1, b1, c2, b2,
 * short. Input [N, 3, 32, 32], any size works.
 * @throws OptionError
 */
export function resnet20(options: ResidualOptions = {}): nn.Sequential {
  const where = 'models.resnet20';
  const defaults = { inChannels: 3, imageSize: 32, minimumSize: 1 };
  const { classes, inChannels } = resolveOptions(where, options, defaults, ['stochasticDepth']);
  const depth = depthSettings(where, options, 9);
  const layers: nn.Module[] = [
    nn.conv2d<number, 16>(inChannels, 16, { kernel: 3, padding: 1, bias: false }),
    nn.batchNorm2d(16),
    nn.relu(),
  ];
  let channels = 16;
  for (const [width, stride] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    for (let i = 0; i < 3; i++) {
      const settings = { stride: i === 0 ? stride : 1, ...depth() };
      layers.push(nn.basicBlock<number, number>(channels, width, settings));
      channels = width;
    }
  }
  layers.push(nn.globalAvgPool2d(), nn.flatten(), nn.linear<number, number>(channels, classes));
  return seeded(nn.sequential(...layers), options);
}
