/** The 1-D convolution layer. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { conv1dSteps } from '../../ops/conv1d';
import { checkKeys, positiveInteger } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { checkChannels, weightAndBias, weightKeys, type WeightOptions } from './conv-parameters';
import { Module } from '../module';
import type { Channels } from '../typing';

export interface Conv1dLayerOptions extends ops.Conv1dOptions, WeightOptions {
  /** Length of the kernel. */
  readonly kernel: number;
}

/** Convolution of [N, In, L] to [N, Out, L']; the formula is in lib/ops/conv1d.ts. */
export class Conv1d<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'conv1d';
  declare readonly channels?: Channels<In, Out>;
  readonly inChannels: In;
  readonly outChannels: Out;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  /** [Out, In / groups, k] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  constructor(inChannels: In, outChannels: Out, options: Conv1dLayerOptions) {
    super();
    const where = 'nn.conv1d';
    checkKeys(where, options, ['kernel', 'stride', 'padding', 'dilation', 'groups', ...weightKeys]);
    if (options?.kernel === undefined) throw new OptionError(`${where}: { kernel } must be given`);
    const { stride, padding, dilation, groups } = conv1dSteps(where, options);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernel = positiveInteger(where, 'kernel', options.kernel);
    this.stride = stride[1];
    this.padding = padding[1];
    this.dilation = dilation[1];
    this.groups = positiveInteger(where, 'groups', groups);
    checkChannels(where, inChannels, outChannels, this.groups);
    const shape = [outChannels, inChannels / this.groups, this.kernel];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(where, shape, outChannels, options));
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    return ops.conv1d(x, this.weight, this.bias, { stride, padding, dilation, groups });
  }

  override config(): Json {
    const { inChannels, outChannels, kernel, stride, padding, dilation, groups } = this;
    const bias = this.bias !== undefined;
    return { inChannels, outChannels, kernel, stride, padding, dilation, groups, bias };
  }
}

/**
 * A convolution along one axis with PyTorch's initial weights.
 * @throws OptionError for missing or unknown options, channels that groups do not divide, bad kernels or steps
 */
export function conv1d<const In extends number, const Out extends number>(
  inChannels: In,
  outChannels: Out,
  options: Conv1dLayerOptions,
): Conv1d<In, Out> {
  return new Conv1d(inChannels, outChannels, options);
}
