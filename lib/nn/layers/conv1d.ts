/** The 1-D convolution layer; the formula is in lib/ops/conv1d.ts. */
import * as ops from '../../ops';
import { rowSettings } from '../../ops/conv1d';
import type { RowPadding } from '../../ops/padding';
import { declareSettings, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Convolution, kernel1d } from './convolution';
import { weightSettings } from './weights';

const settings = declareSettings({ kernel: kernel1d, ...rowSettings, ...weightSettings });

export type Conv1dLayerOptions = OptionsOf<typeof settings>;

/** Convolution of [N, In, L] to [N, Out, L']. */
export class Conv1d<In extends number = number, Out extends number = number> extends Convolution<
  In,
  Out,
  number,
  RowPadding
> {
  static override readonly kind: string = 'conv1d';
  static override readonly settings = settings;

  constructor(inChannels: In, outChannels: Out, options: Conv1dLayerOptions) {
    super(inChannels, outChannels, options);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    return ops.conv1d(x, this.noisy(this.weight), this.bias, { stride, padding, dilation, groups });
  }
}

/**
 * A convolution along one axis, f32 [N, In, L] to [N, Out, L'] with
 * L' = floor((L + 2 padding - dilation (kernel - 1) - 1) / stride) + 1: PyTorch's Conv1d, with its initial
 * weights. Parameters: `weight` [Out, In / groups, k] and `bias` [Out].
 * @throws OptionError for missing or unknown options, channels that groups do not divide, bad kernels or
 *   steps
 */
export const conv1d = maker(Conv1d);
