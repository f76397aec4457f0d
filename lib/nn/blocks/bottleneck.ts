/** The block of ResNet-50 and deeper (He, Zhang, Ren, Sun 2016), with torchvision's names of parameters. */
import * as ops from '../../ops';
import { declareSettings, positiveInteger } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import type { Sequential } from '../layers/sequential';
import { type Conv2d } from '../layers/conv2d';
import { maker, withArguments } from '../layer';
import { branchOf, branchRuntimeFields, branchSettings, conv3x3, conv1x1, downsampling } from './parts';
import type { ResidualBlockOptions } from './parts';

const args = declareSettings({
  inChannels: positiveInteger('Channels of the input.'),
  width: positiveInteger('Channels of the 3x3 convolution; the output has four times as many.'),
});

/** Outputs of a bottleneck for each channel of its 3x3 convolution. */
const expansion = 4;

/** relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1 x))))))) + downsample(x)): torchvision's Bottleneck. */
export class Bottleneck extends withArguments(args, branchSettings) {
  static override readonly runtimeFields = branchRuntimeFields;
  static override readonly kind: string = 'bottleneck';
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  /** 1x1 convolution and batch norm where stride or channels change. */
  readonly downsample: Sequential | undefined;

  constructor(inChannels: number, width: number, options: ResidualBlockOptions = {}) {
    super({ inChannels, width }, options);
    const { stride } = this;
    this.conv1 = conv1x1(inChannels, width);
    this.bn1 = batchNorm2d<number>(width);
    this.conv2 = conv3x3(width, width, stride);
    this.bn2 = batchNorm2d<number>(width);
    this.conv3 = conv1x1(width, expansion * width);
    this.bn3 = batchNorm2d<number>(expansion * width);
    this.downsample = downsampling(inChannels, expansion * width, stride);
  }

  override forward(x: Tensor): Tensor {
    const narrow = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    const seen = ops.relu(this.bn2.forward(this.conv2.forward(narrow)));
    const branch = branchOf(this, this.bn3.forward(this.conv3.forward(seen)));
    return ops.relu(ops.add(branch, this.downsample?.forward(x) ?? x));
  }
}

/**
 * 1x1 to `width` channels, 3x3 (with the stride), 1x1 to 4 `width` channels, and a shortcut, with
 * torchvision's names: conv1, bn1, conv2, bn2, conv3, bn3, downsample.
 * @throws OptionError
 */
export const bottleneck = maker(Bottleneck);
