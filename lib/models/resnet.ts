/** Residual networks for ImageNet (He, Zhang, Ren, Sun 2016), with torchvision's names of parameters. */
import * as nn from '../nn';
import { heNormal } from './initial-weights';
import { seeded } from './lenet';
import { depthSettings, resolveOptions, type ResidualOptions } from './options';

type Block = (inChannels: number, width: number, options: nn.ResidualBlockOptions) => nn.Module;

/** `expansion`: outputs of a block for each channel of its stage. */
interface Kind {
  readonly block: Block;
  readonly expansion: number;
}

const basic: Kind = { block: nn.residualBlock, expansion: 1 };
const deep: Kind = { block: nn.bottleneck, expansion: 4 };

function resnet(
  name: string,
  kind: Kind,
  blocks: readonly [number, number, number, number],
  options: ResidualOptions,
): nn.NamedSequential {
  const where = `models.${name}`;
  const defaults = { classes: 1000, inChannels: 3, imageSize: 224, minimumSize: 1 };
  const { classes, inChannels } = resolveOptions(where, options, defaults, ['stochasticDepth']);
  const { block, expansion } = kind;
  const total = blocks.reduce((sum, count) => sum + count, 0);
  const depth = depthSettings(where, options, total);
  const stage = (from: number, width: number, count: number): nn.Module => {
    const layers = Array.from({ length: count }, (_, i) => {
      const stride = i === 0 && width !== 64 ? 2 : 1;
      return block(i === 0 ? from : expansion * width, width, { stride, ...depth() });
    });
    return nn.sequential(...layers);
  };
  const model = nn.namedSequential({
    conv1: nn.conv2d<number, number>(inChannels, 64, { kernel: 7, stride: 2, padding: 3, bias: false }),
    bn1: nn.batchNorm2d(64),
    relu: nn.relu(),
    maxpool: nn.maxPool2d(3, { stride: 2, padding: 1 }),
    layer1: stage(64, 64, blocks[0]),
    layer2: stage(64 * expansion, 128, blocks[1]),
    layer3: stage(128 * expansion, 256, blocks[2]),
    layer4: stage(256 * expansion, 512, blocks[3]),
    avgpool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    fc: nn.linear<number, number>(512 * expansion, classes),
  });
  return seeded(heNormal(model, 'fanOut'), options);
}

/**
 * conv 64@7x7 stride 2, batch norm, relu, maxpool 3 stride 2; four stages of residual blocks at 64, 128, 256
 * and 512 channels (2, 2, 2, 2 of two 3x3 convolutions each), halving the image from the second stage on;
 * global average pool; fc classes. Input [N, 3, 224, 224], any size works. Names, shapes and initial weights
 * are torchvision's, so its weights load (saved as safetensors).
 * @param options classes default to 1000, as in torchvision
 * @throws OptionError
 */
export function resnet18(options: ResidualOptions = {}): nn.NamedSequential {
  return resnet('resnet18', basic, [2, 2, 2, 2], options);
}

/** As resnet18, with 3, 4, 6, 3 blocks. @throws OptionError */
export function resnet34(options: ResidualOptions = {}): nn.NamedSequential {
  return resnet('resnet34', basic, [3, 4, 6, 3], options);
}

/**
 * As resnet34, of bottleneck blocks (1x1, 3x3, 1x1 convolutions) that return 256, 512, 1024 and 2048
 * channels; the stride is at the 3x3 convolution, as in torchvision.
 * @throws OptionError
 */
export function resnet50(options: ResidualOptions = {}): nn.NamedSequential {
  return resnet('resnet50', deep, [3, 4, 6, 3], options);
}

/** As resnet50, with 3, 4, 23, 3 blocks. @throws OptionError */
export function resnet101(options: ResidualOptions = {}): nn.NamedSequential {
  return resnet('resnet101', deep, [3, 4, 23, 3], options);
}

/** As resnet50, with 3, 8, 36, 3 blocks. @throws OptionError */
export function resnet152(options: ResidualOptions = {}): nn.NamedSequential {
  return resnet('resnet152', deep, [3, 8, 36, 3], options);
}
