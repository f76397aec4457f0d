/** The block of ResNets for CIFAR (He, Zhang, Ren, Sun 2016), with the names of parameters that published weights have. */
import * as ops from '../../ops';
import { checkKeys, oneOf } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { batchNorm2d, type BatchNorm2d } from '../layers/batch-norm';
import { identity } from '../layers/identity';
import { type Conv2d } from '../layers/conv2d';
import { Module } from '../module';
import { type ResidualBlockOptions, strideOf, conv3x3, projection } from './parts';
import { padShortcut } from './pad-shortcut';

export interface CifarBlockOptions extends ResidualBlockOptions {
  /** Where stride or channels change: A subsamples and pads with zeros, B is a 1x1 convolution and batch norm. Default 'A'. */
  readonly shortcut?: 'A' | 'B';
}

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut(x)): the block of CIFAR ResNets. */
export class CifarBlock extends Module {
  static override readonly kind: string = 'cifarBlock';
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut: Module;
  private readonly option: 'A' | 'B';

  constructor(inChannels: number, outChannels: number, options: CifarBlockOptions = {}) {
    super();
    const where = 'nn.cifarBlock';
    checkKeys(where, options, ['stride', 'shortcut']);
    const stride = strideOf(where, options.stride);
    this.option = oneOf(where, 'shortcut', options.shortcut ?? 'A', ['A', 'B'] as const);
    this.conv1 = conv3x3(inChannels, outChannels, stride);
    this.bn1 = batchNorm2d<number>(outChannels);
    this.conv2 = conv3x3(outChannels, outChannels);
    this.bn2 = batchNorm2d<number>(outChannels);
    if (stride === 1 && inChannels === outChannels) this.shortcut = identity();
    else if (this.option === 'A') this.shortcut = padShortcut(inChannels, outChannels, { stride });
    else this.shortcut = projection(inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    return ops.relu(ops.add(this.bn2.forward(this.conv2.forward(y)), this.shortcut.forward(x)));
  }

  override config(): Json {
    const { inChannels, outChannels, stride } = this.conv1;
    return { inChannels, outChannels, stride: stride[0], shortcut: this.option };
  }
}

/**
 * Two 3x3 convolutions and a shortcut, with the names of the usual PyTorch implementation for CIFAR (akamaster/pytorch_resnet_cifar10): conv1,
 * bn1, conv2, bn2, shortcut. @throws OptionError
 */
export function cifarBlock(
  inChannels: number,
  outChannels: number,
  options: CifarBlockOptions = {},
): CifarBlock {
  return new CifarBlock(inChannels, outChannels, options);
}
