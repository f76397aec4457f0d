/** The 18-layer residual network for ImageNet (He, Zhang, Ren, Sun 2016), with torchvision's names of parameters. */
import * as nn from '../nn';
import * as ops from '../ops';
import type { Tensor } from '../tensor/tensor';
import { seeded } from './lenet';
import { resolveOptions, type ModelOptions } from './options';

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + downsample(x)); downsample is the identity where the shape stays. */
class ResidualBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | undefined;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.conv1 = nn.conv2d(inChannels, outChannels, { kernel: 3, stride, padding: 1, bias: false });
    this.bn1 = nn.batchNorm2d(outChannels);
    this.conv2 = nn.conv2d(outChannels, outChannels, { kernel: 3, padding: 1, bias: false });
    this.bn2 = nn.batchNorm2d(outChannels);
    if (stride !== 1 || inChannels !== outChannels) {
      const project = nn.conv2d(inChannels, outChannels, { kernel: 1, stride, bias: false });
      this.downsample = nn.sequential(project, nn.batchNorm2d(outChannels));
    }
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    const skip = this.downsample === undefined ? x : this.downsample.forward(x);
    return ops.relu(ops.add(this.bn2.forward(this.conv2.forward(y)), skip));
  }
}

function stage(inChannels: number, outChannels: number, stride: number): nn.Sequential {
  return nn.sequential(
    new ResidualBlock(inChannels, outChannels, stride),
    new ResidualBlock(outChannels, outChannels, 1),
  );
}

class ResNet18 extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1 = nn.batchNorm2d(64);
  readonly maxpool = nn.maxPool2d(3, { stride: 2, padding: 1 });
  readonly layer1 = stage(64, 64, 1);
  readonly layer2 = stage(64, 128, 2);
  readonly layer3 = stage(128, 256, 2);
  readonly layer4 = stage(256, 512, 2);
  readonly avgpool = nn.globalAvgPool2d();
  readonly fc: nn.Linear;

  constructor(inChannels: number, classes: number) {
    super();
    this.conv1 = nn.conv2d(inChannels, 64, { kernel: 7, stride: 2, padding: 3, bias: false });
    this.fc = nn.linear<number, number>(512, classes);
  }

  override forward(x: Tensor): Tensor {
    const stem = this.maxpool.forward(ops.relu(this.bn1.forward(this.conv1.forward(x))));
    const stages = [this.layer1, this.layer2, this.layer3, this.layer4];
    const features = stages.reduce((y, layer) => layer.forward(y), stem);
    return this.fc.forward(ops.flatten(this.avgpool.forward(features)));
  }
}

/**
 * conv 64@7x7 stride 2, batch norm, relu, maxpool 3 stride 2; two residual blocks each at 64, 128, 256 and 512 channels, halving the
 * image from the second stage on; global average pool; fc classes. Input [N, 3, 224, 224], any size from 32 works. Loads torchvision's
 * weights by name (saved as safetensors). Files saved from it hold no architecture: load them into a model made here.
 * @param options classes default to 1000, as in torchvision
 * @throws OptionError
 */
export function resnet18(options: ModelOptions = {}): nn.Module {
  const { classes, inChannels } = resolveOptions(
    'models.resnet18',
    { classes: 1000, ...options },
    { inChannels: 3, imageSize: 224, minimumSize: 32 },
  );
  return seeded(new ResNet18(inChannels, classes), options);
}
