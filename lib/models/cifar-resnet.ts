/**
 * Residual networks for CIFAR of 6 n + 2 layers (He, Zhang, Ren, Sun 2016, section 4.2), with the names of
 * parameters of the usual PyTorch implementation (akamaster/pytorch_resnet_cifar10).
 */
import * as nn from '../nn';
import { heNormal } from './initial-weights';
import { seeded } from './lenet';
import { depthSettings, resolveOptions, type ResidualOptions } from './options';

export interface CifarResnetOptions extends ResidualOptions {
  /**
   * Where channels change: 'A' subsamples and pads with zeros, as in the paper; 'B' is a 1x1 convolution and
   * batch norm. Default 'A'.
   */
  readonly shortcut?: 'A' | 'B';
}

function cifarResnet(depth: number, options: CifarResnetOptions): nn.NamedSequential {
  const defaults = { inChannels: 3, imageSize: 32, minimumSize: 1 };
  const where = `models.cifarResnet${depth}`;
  const { classes, inChannels } = resolveOptions(where, options, defaults, ['shortcut', 'stochasticDepth']);
  const { shortcut = 'A' } = options;
  const perStage = (depth - 2) / 6;
  const dropped = depthSettings(where, options, 3 * perStage);
  const stage = (from: number, to: number): nn.Module => {
    const blocks = Array.from({ length: perStage }, (_, i) => {
      const stride = i === 0 && from !== to ? 2 : 1;
      return nn.cifarBlock(i === 0 ? from : to, to, { stride, shortcut, ...dropped() });
    });
    return nn.sequential(...blocks);
  };
  const model = nn.namedSequential({
    conv1: nn.conv2d<number, number>(inChannels, 16, { kernel: 3, padding: 1, bias: false }),
    bn1: nn.batchNorm2d(16),
    relu: nn.relu(),
    layer1: stage(16, 16),
    layer2: stage(16, 32),
    layer3: stage(32, 64),
    avgpool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    linear: nn.linear<number, number>(64, classes),
  });
  return seeded(heNormal(model, 'fanIn'), options);
}

/**
 * conv 16@3x3 pad 1, batch norm, relu; three stages of 3 residual blocks at 16, 32 and 64 channels, the
 * second and third starting with stride 2; global average pool; fc classes. Input [N, 3, 32, 32], any size
 * works. models.resnet20 has the same layers with shortcut B and names by place.
 * @throws OptionError
 */
export function cifarResnet20(options: CifarResnetOptions = {}): nn.NamedSequential {
  return cifarResnet(20, options);
}

/** As cifarResnet20, with 5 blocks a stage. @throws OptionError */
export function cifarResnet32(options: CifarResnetOptions = {}): nn.NamedSequential {
  return cifarResnet(32, options);
}

/** As cifarResnet20, with 7 blocks a stage. @throws OptionError */
export function cifarResnet44(options: CifarResnetOptions = {}): nn.NamedSequential {
  return cifarResnet(44, options);
}

/** As cifarResnet20, with 9 blocks a stage. @throws OptionError */
export function cifarResnet56(options: CifarResnetOptions = {}): nn.NamedSequential {
  return cifarResnet(56, options);
}

/**
 * As cifarResnet20, with 18 blocks a stage. The paper trains it with a rate of 0.01 at first, 0.1 after.
 * @throws OptionError
 */
export function cifarResnet110(options: CifarResnetOptions = {}): nn.NamedSequential {
  return cifarResnet(110, options);
}
