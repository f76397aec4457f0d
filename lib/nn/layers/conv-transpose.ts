/** Transposed convolution layers; the formula is in lib/ops/conv-transpose.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { pair, type Pair } from '../../ops/checks';
import { transposeGeometry, transposeGeometry1d } from '../../ops/conv-transpose';
import { checkKeys, positiveInteger } from '../../options';
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

const keys = ['kernel', 'stride', 'padding', 'outputPadding', 'dilation', 'groups', ...weightKeys] as const;

export interface ConvTranspose2dLayerOptions extends ops.ConvTranspose2dOptions, WeightOptions {
  /** Height and width of the kernel. */
  readonly kernel: Pair;
}

/** Transposed convolution of [N, In, H, W] to [N, Out, H', W']. */
export class ConvTranspose2d<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'convTranspose2d';
  declare readonly channels?: Channels<In, Out>;
  readonly inChannels: In;
  readonly outChannels: Out;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly outputPadding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  /** [In, Out / groups, kH, kW] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  constructor(inChannels: In, outChannels: Out, options: ConvTranspose2dLayerOptions) {
    super();
    const where = 'nn.convTranspose2d';
    checkKeys(where, options, keys);
    if (options?.kernel === undefined) throw new OptionError(`${where}: { kernel } must be given`);
    const { weights, kernel, ...steps } = splitOptions(options);
    const geometry = transposeGeometry(where, steps);
    checkChannels(where, inChannels, outChannels, geometry.groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernel = pair(where, 'kernel', kernel, 1);
    this.stride = geometry.stride;
    this.padding = geometry.padding;
    this.outputPadding = geometry.outputPadding;
    this.dilation = geometry.dilation;
    this.groups = geometry.groups;
    const shape = [inChannels, outChannels / geometry.groups, ...this.kernel];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(where, shape, outChannels, weights));
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    const steps = { stride, padding, outputPadding, dilation, groups };
    return ops.convTranspose2d(x, this.weight, this.bias, steps);
  }

  override config(): Json {
    const { inChannels, outChannels, kernel, stride, padding, outputPadding, dilation, groups } = this;
    const bias = this.bias !== undefined;
    return { inChannels, outChannels, kernel, stride, padding, outputPadding, dilation, groups, bias };
  }
}

/**
 * A transposed convolution layer (PyTorch's ConvTranspose2d) with PyTorch's initial weights. With stride 2 it doubles height and width:
 * kernel 2, or kernel 3 with padding 1 and outputPadding 1, or kernel 4 with padding 1.
 * @throws OptionError for missing or unknown options, channels that groups do not divide, output padding that is too large; ShapeError
 */
export function convTranspose2d<const In extends number, const Out extends number>(
  inChannels: In,
  outChannels: Out,
  options: ConvTranspose2dLayerOptions,
): ConvTranspose2d<In, Out> {
  return new ConvTranspose2d(inChannels, outChannels, options);
}

export interface ConvTranspose1dLayerOptions extends ops.ConvTranspose1dOptions, WeightOptions {
  /** Length of the kernel. */
  readonly kernel: number;
}

/** Transposed convolution of [N, In, L] to [N, Out, L']. */
export class ConvTranspose1d<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'convTranspose1d';
  declare readonly channels?: Channels<In, Out>;
  readonly inChannels: In;
  readonly outChannels: Out;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly outputPadding: number;
  readonly dilation: number;
  readonly groups: number;
  /** [In, Out / groups, k] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  constructor(inChannels: In, outChannels: Out, options: ConvTranspose1dLayerOptions) {
    super();
    const where = 'nn.convTranspose1d';
    checkKeys(where, options, keys);
    if (options?.kernel === undefined) throw new OptionError(`${where}: { kernel } must be given`);
    const { weights, kernel, ...steps } = splitOptions(options);
    const geometry = transposeGeometry1d(where, steps);
    checkChannels(where, inChannels, outChannels, geometry.groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernel = positiveInteger(where, 'kernel', kernel);
    this.stride = geometry.stride[1];
    this.padding = geometry.padding[1];
    this.outputPadding = geometry.outputPadding[1];
    this.dilation = geometry.dilation[1];
    this.groups = geometry.groups;
    const shape = [inChannels, outChannels / geometry.groups, this.kernel];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(where, shape, outChannels, weights));
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    const steps = { stride, padding, outputPadding, dilation, groups };
    return ops.convTranspose1d(x, this.weight, this.bias, steps);
  }

  override config(): Json {
    const { inChannels, outChannels, kernel, stride, padding, outputPadding, dilation, groups } = this;
    const bias = this.bias !== undefined;
    return { inChannels, outChannels, kernel, stride, padding, outputPadding, dilation, groups, bias };
  }
}

/** A transposed convolution along one axis (PyTorch's ConvTranspose1d). @throws as convTranspose2d */
export function convTranspose1d<const In extends number, const Out extends number>(
  inChannels: In,
  outChannels: Out,
  options: ConvTranspose1dLayerOptions,
): ConvTranspose1d<In, Out> {
  return new ConvTranspose1d(inChannels, outChannels, options);
}
