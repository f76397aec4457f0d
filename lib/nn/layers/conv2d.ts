/** The 2-D convolution layer; the formula is in lib/ops/conv2d.ts. */
import * as ops from '../../ops';
import { stepSettings } from '../../ops/conv2d';
import type { KeptPadding } from '../../ops/padding';
import { bool, declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Convolution, kernel2d } from './convolution';
import { weightSettings } from './weights';

const settings = declareSettings({
  kernel: kernel2d,
  ...stepSettings,
  ...weightSettings,
  weightStandardization: bool(
    "Whether each output's weights are used less their mean and divided by their deviation (Qiao et al. 2019): goes with group norm, for small batches. `weight` stays what is trained and saved.",
    // Sparse, so that files without it stay readable by versions that do not know it.
    { default: false, sparse: true },
  ),
});

export type Conv2dLayerOptions = OptionsOf<typeof settings>;

/** Convolution of [N, In, H, W] to [N, Out, H', W']. */
export class Conv2d<In extends number = number, Out extends number = number> extends Convolution<
  In,
  Out,
  readonly [number, number],
  KeptPadding
> {
  static override readonly kind: string = 'conv2d';
  static override readonly settings = settings;
  declare readonly weightStandardization: boolean;

  constructor(inChannels: In, outChannels: Out, options: Conv2dLayerOptions) {
    super(inChannels, outChannels, options);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    const weight = this.weightStandardization ? ops.standardizeWeights(this.weight) : this.weight;
    return ops.conv2d(x, this.noisy(weight), this.bias, { stride, padding, dilation, groups });
  }
}

/**
 * Convolution of images, f32 [N, In, H, W] to [N, Out, H', W'] with H' = floor((H + 2 padding - dilation
 * (kernel - 1) - 1) / stride) + 1, and W' likewise: y[o, i, j] = bias[o] + sum over c, r, s of weight[o, c,
 * r, s] x[c, i stride - padding + r dilation, ...], the cross-correlation that PyTorch's Conv2d computes,
 * with its initial weights. Parameters: `weight` [Out, In / groups, kH, kW] and `bias` [Out]. LeCun et al.
 * 1998, "Gradient-based learning applied to document recognition".
 *
 * `nn.conv2d(3, 32, { kernel: 3, padding: 1 })` keeps height and width.
 * @throws OptionError for missing or unknown options, channels that groups do not divide; ShapeError for bad
 *   kernels or steps
 */
export const conv2d = maker(Conv2d);

const { groups: _, ...ungrouped } = settings.declared;

const depthwiseArguments = declareSettings({ channels: positiveInteger('Channels of the input.') });

const depthwiseSettings = declareSettings({
  ...ungrouped,
  multiplier: positiveInteger('Outputs of each channel.', { default: 1 }),
});

export type DepthwiseConv2dOptions = OptionsOf<typeof depthwiseSettings>;

/**
 * A convolution of each channel by itself: conv2d with as many groups as input channels. A 1x1 convolution
 * behind it makes it a depthwise separable one (Howard et al. 2017).
 * @throws as conv2d
 */
export function depthwiseConv2d(channels: number, options: DepthwiseConv2dOptions): Conv2d {
  const where = 'nn.depthwiseConv2d';
  depthwiseArguments.read(where, { channels });
  const { multiplier, ...rest } = depthwiseSettings.read(where, options);
  return conv2d<number, number>(channels, channels * multiplier, { ...rest, groups: channels });
}
