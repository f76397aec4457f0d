/** The blocks of residual networks (He, Zhang, Ren, Sun 2016), with the names of parameters that published weights have. */
import { OptionError } from '../errors';
import * as ops from '../ops';
import { checkKeys, oneOf, positiveInteger } from '../options';
import type { Tensor } from '../tensor/tensor';
import type { Json } from './architecture';
import { batchNorm2d, type BatchNorm2d } from './batch-norm';
import { identity, sequential, type Sequential } from './containers';
import { conv2d, type Conv2d } from './conv';
import { Module } from './module';

export interface ResidualBlockOptions {
  /** Of the first 3x3 convolution and the shortcut. Default 1. */
  readonly stride?: number;
}

function strideOf(where: string, value: unknown = 1): number {
  const stride = positiveInteger(where, 'stride', value);
  if (stride > 65535) throw new OptionError(`${where}: stride must be at most 65535, got ${stride}`);
  return stride;
}

function conv3x3(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return conv2d<number, number>(inChannels, outChannels, { kernel: 3, stride, padding: 1, bias: false });
}

function conv1x1(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return conv2d<number, number>(inChannels, outChannels, { kernel: 1, stride, bias: false });
}

function projection(inChannels: number, outChannels: number, stride: number): Sequential {
  return sequential(conv1x1(inChannels, outChannels, stride), batchNorm2d<number>(outChannels));
}

/** Undefined where the shape stays. */
function downsampling(inChannels: number, outChannels: number, stride: number): Sequential | undefined {
  return stride === 1 && inChannels === outChannels ? undefined : projection(inChannels, outChannels, stride);
}

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + downsample(x)): torchvision's BasicBlock. */
export class ResidualBlock extends Module {
  static override readonly kind: string = 'residualBlock';
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  /** 1x1 convolution and batch norm where stride or channels change. */
  readonly downsample: Sequential | undefined;

  constructor(inChannels: number, outChannels: number, options: ResidualBlockOptions = {}) {
    super();
    checkKeys('nn.residualBlock', options, ['stride']);
    const stride = strideOf('nn.residualBlock', options.stride);
    this.conv1 = conv3x3(inChannels, outChannels, stride);
    this.bn1 = batchNorm2d<number>(outChannels);
    this.conv2 = conv3x3(outChannels, outChannels);
    this.bn2 = batchNorm2d<number>(outChannels);
    this.downsample = downsampling(inChannels, outChannels, stride);
  }

  override forward(x: Tensor): Tensor {
    const y = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    return ops.relu(ops.add(this.bn2.forward(this.conv2.forward(y)), this.downsample?.forward(x) ?? x));
  }

  override config(): Json {
    const { inChannels, outChannels, stride } = this.conv1;
    return { inChannels, outChannels, stride: stride[0] };
  }
}

/** Two 3x3 convolutions and a shortcut, with torchvision's names: conv1, bn1, conv2, bn2, downsample. @throws OptionError */
export function residualBlock(
  inChannels: number,
  outChannels: number,
  options: ResidualBlockOptions = {},
): ResidualBlock {
  return new ResidualBlock(inChannels, outChannels, options);
}

/** Outputs of a bottleneck for each channel of its 3x3 convolution. */
const expansion = 4;

/** relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1 x))))))) + downsample(x)): torchvision's Bottleneck. */
export class Bottleneck extends Module {
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
    super();
    checkKeys('nn.bottleneck', options, ['stride']);
    const stride = strideOf('nn.bottleneck', options.stride);
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
    return ops.relu(ops.add(this.bn3.forward(this.conv3.forward(seen)), this.downsample?.forward(x) ?? x));
  }

  override config(): Json {
    const { inChannels, outChannels } = this.conv1;
    return { inChannels, width: outChannels, stride: this.conv2.stride[0] };
  }
}

/**
 * 1x1 to `width` channels, 3x3 (with the stride), 1x1 to 4 `width` channels, and a shortcut, with torchvision's names: conv1, bn1, conv2,
 * bn2, conv3, bn3, downsample. @throws OptionError
 */
export function bottleneck(
  inChannels: number,
  width: number,
  options: ResidualBlockOptions = {},
): Bottleneck {
  return new Bottleneck(inChannels, width, options);
}

/** Every stride-th row and column, and zeros in as many new channels on both sides: a shortcut without parameters. */
export class PadShortcut extends Module {
  static override readonly kind: string = 'padShortcut';
  readonly inChannels: number;
  readonly outChannels: number;
  readonly stride: number;

  constructor(inChannels: number, outChannels: number, options: ResidualBlockOptions = {}) {
    super();
    const where = 'nn.padShortcut';
    checkKeys(where, options, ['stride']);
    this.inChannels = positiveInteger(where, 'inChannels', inChannels);
    this.outChannels = positiveInteger(where, 'outChannels', outChannels);
    if (outChannels < inChannels)
      throw new OptionError(`${where}: ${outChannels} channels are less than the input's ${inChannels}`);
    this.stride = strideOf(where, options.stride);
  }

  override forward(x: Tensor): Tensor {
    const kept = this.stride === 1 ? x : ops.avgPool2d(x, 1, { stride: this.stride });
    const before = Math.floor((this.outChannels - this.inChannels) / 2);
    const [n, , h, w] = kept.shape as [number, number, number, number];
    return before === 0 && this.outChannels === this.inChannels
      ? kept
      : ops.pad(kept, [0, before, 0, 0], [n, this.outChannels, h, w]);
  }

  override config(): Json {
    const { inChannels, outChannels, stride } = this;
    return { inChannels, outChannels, stride };
  }
}

/** The shortcut that He et al. 2016 call option A. @throws OptionError when channels become fewer */
export function padShortcut(
  inChannels: number,
  outChannels: number,
  options: ResidualBlockOptions = {},
): PadShortcut {
  return new PadShortcut(inChannels, outChannels, options);
}

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
