/** The block of ResNet-18 and 34 (He, Zhang, Ren, Sun 2016), with torchvision's names of parameters. */
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import { channelArguments } from '../layers/convolution';
import type { Sequential } from '../layers/sequential';
import { type Conv2d } from '../layers/conv2d';
import { maker, withArguments } from '../layer';
import { branchOf, branchRuntimeFields, branchSettings, conv3x3, downsampling } from './parts';
import type { ResidualBlockOptions } from './parts';

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + downsample(x)): torchvision's BasicBlock. */
export class ResidualBlock extends withArguments(channelArguments, branchSettings) {
  static override readonly runtimeFields = branchRuntimeFields;
  static override readonly kind: string = 'residualBlock';
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  /** 1x1 convolution and batch norm where stride or channels change. */
  readonly downsample: Sequential | undefined;

  constructor(inChannels: number, outChannels: number, options: ResidualBlockOptions = {}) {
    super({ inChannels, outChannels }, options);
    const { stride } = this;
    this.conv1 = conv3x3(inChannels, outChannels, stride);
    this.bn1 = batchNorm2d<number>(outChannels);
    this.conv2 = conv3x3(outChannels, outChannels);
    this.bn2 = batchNorm2d<number>(outChannels);
    this.downsample = downsampling(inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    const branch = branchOf(this, this.bn2.forward(this.conv2.forward(y)));
    return ops.relu(ops.add(branch, this.downsample?.forward(x) ?? x));
  }
}

/**
 * Two 3x3 convolutions and a shortcut, with torchvision's names: conv1, bn1, conv2, bn2, downsample.
 * @throws OptionError
 */
export const residualBlock = maker(ResidualBlock);
