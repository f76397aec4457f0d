/**
 * The block of ResNets for CIFAR (He, Zhang, Ren, Sun 2016), with the names of parameters that
 * published weights have.
 */
import * as ops from '../../ops';
import { declareSettings, oneOf, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import { identity } from '../layers/identity';
import { type Conv2d } from '../layers/conv2d';
import { channelArguments } from '../layers/convolution';
import { maker, withArguments } from '../layer';
import type { Module } from '../module';
import { branchOf, branchRuntimeFields, conv3x3, projection, residualSettings } from './parts';
import { padShortcut } from './pad-shortcut';

const settings = declareSettings({
  ...residualSettings,
  shortcut: oneOf(['A', 'B'])(
    'Where stride or channels change: A subsamples and pads with zeros, B is a 1x1 convolution and batch norm.',
    { default: 'A' },
  ),
});

export type CifarBlockOptions = OptionsOf<typeof settings>;

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut(x)): the block of CIFAR ResNets. */
export class CifarBlock extends withArguments(channelArguments, settings, ['shortcut']) {
  static override readonly runtimeFields = branchRuntimeFields;
  static override readonly kind: string = 'cifarBlock';
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut: Module;

  constructor(inChannels: number, outChannels: number, options: CifarBlockOptions = {}) {
    super({ inChannels, outChannels }, options);
    const { stride } = this;
    this.conv1 = conv3x3(inChannels, outChannels, stride);
    this.bn1 = batchNorm2d<number>(outChannels);
    this.conv2 = conv3x3(outChannels, outChannels);
    this.bn2 = batchNorm2d<number>(outChannels);
    if (stride === 1 && inChannels === outChannels) this.shortcut = identity();
    else if (this.given.shortcut === 'A') this.shortcut = padShortcut(inChannels, outChannels, { stride });
    else this.shortcut = projection(inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    const branch = branchOf(this, this.bn2.forward(this.conv2.forward(y)));
    return ops.relu(ops.add(branch, this.shortcut.forward(x)));
  }
}

/**
 * Two 3x3 convolutions and a shortcut, with the names of the usual PyTorch implementation for CIFAR
 * (akamaster/pytorch_resnet_cifar10): conv1, bn1, conv2, bn2, shortcut.
 * @throws OptionError
 */
export const cifarBlock = maker(CifarBlock);
