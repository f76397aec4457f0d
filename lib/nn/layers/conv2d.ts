/** The 2-D convolution layer. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import type { Pair } from '../../ops/checks';
import { convGeometry } from '../../ops/conv2d';
import { pair } from '../../ops/checks';
import { bool, checkKeys, positiveInteger } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import {
  checkChannels,
  splitOptions,
  weightAndBias,
  weightKeys,
  type WeightOptions,
} from './conv-parameters';
import { Module } from '../module';
import type { Channels } from '../typing';

export interface Conv2dLayerOptions extends WeightOptions {
  /** Height and width of the kernel. */
  readonly kernel: Pair;
  /** Default 1. */
  readonly stride?: Pair;
  /** Zeros added on each side. Default 0. */
  readonly padding?: Pair;
  /** Distance between kernel elements. Default 1. */
  readonly dilation?: Pair;
  /** Channels are split in this many groups that do not see each other. Default 1. */
  readonly groups?: number;
  /**
   * Whether each output's weights are used less their mean and divided by their deviation (Qiao et al. 2019): goes with group norm, for
   * small batches. `weight` stays what is trained and saved. Default false.
   */
  readonly weightStandardization?: boolean;
}

const ownKeys = ['kernel', 'stride', 'padding', 'dilation', 'groups', 'weightStandardization'] as const;

/** Convolution of [N, In, H, W] to [N, Out, H', W']; the formula is in lib/ops/conv2d.ts. */
export class Conv2d<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'conv2d';
  declare readonly channels?: Channels<In, Out>;
  readonly inChannels: In;
  readonly outChannels: Out;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  /** [Out, In / groups, kH, kW] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;
  readonly weightStandardization: boolean;

  constructor(inChannels: In, outChannels: Out, options: Conv2dLayerOptions) {
    super();
    const where = 'nn.conv2d';
    checkKeys(where, options, [...ownKeys, ...weightKeys]);
    if (options?.kernel === undefined) throw new OptionError(`${where}: { kernel } must be given`);
    const { weights, kernel, weightStandardization = false, ...steps } = splitOptions(options);
    const geometry = convGeometry(where, steps);
    checkChannels(where, inChannels, outChannels, geometry.groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernel = pair(where, 'kernel', kernel, 1);
    this.stride = geometry.stride;
    this.padding = geometry.padding;
    this.dilation = geometry.dilation;
    this.groups = geometry.groups;
    const shape = [outChannels, inChannels / geometry.groups, ...this.kernel];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(where, shape, outChannels, weights));
    this.weightStandardization = bool(where, 'weightStandardization', weightStandardization);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    const weight = this.weightStandardization ? ops.standardizeWeights(this.weight) : this.weight;
    return ops.conv2d(x, weight, this.bias, { stride, padding, dilation, groups });
  }

  override config(): Json {
    const { inChannels, outChannels, kernel, stride, padding, dilation, groups } = this;
    return {
      inChannels,
      outChannels,
      kernel,
      stride,
      padding,
      dilation,
      groups,
      bias: this.bias !== undefined,
      // Left out where it says nothing new, so that files stay readable by versions without it.
      ...(this.weightStandardization && { weightStandardization: true }),
    };
  }
}

/**
 * A convolution layer with PyTorch's initial weights.
 * @throws OptionError for missing or unknown options, channels that groups do not divide; ShapeError for bad kernels or steps
 */
export function conv2d<const In extends number, const Out extends number>(
  inChannels: In,
  outChannels: Out,
  options: Conv2dLayerOptions,
): Conv2d<In, Out> {
  return new Conv2d(inChannels, outChannels, options);
}

export interface DepthwiseConv2dOptions extends Omit<Conv2dLayerOptions, 'groups'> {
  /** Outputs of each channel. Default 1. */
  readonly multiplier?: number;
}

/**
 * A convolution of each channel by itself: conv2d with as many groups as input channels. A 1x1 convolution behind it makes it a depthwise
 * separable one (Howard et al. 2017). @throws as conv2d
 */
export function depthwiseConv2d(channels: number, options: DepthwiseConv2dOptions): Conv2d {
  const where = 'nn.depthwiseConv2d';
  checkKeys(where, options, [...ownKeys.filter((key) => key !== 'groups'), ...weightKeys, 'multiplier']);
  const { multiplier = 1, ...rest } = options ?? {};
  positiveInteger(where, 'channels', channels);
  positiveInteger(where, 'multiplier', multiplier);
  return conv2d<number, number>(channels, channels * multiplier, { ...rest, groups: channels });
}
