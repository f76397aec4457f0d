/** Transposed convolution layers; the formula is in lib/ops/conv-transpose.ts. */
import * as ops from '../../ops';
import {
  checkOutputPadding,
  transposedAlongRow,
  transposeRowSettings,
  transposeSettings,
} from '../../ops/conv-transpose';
import type { KeptPadding, RowPadding } from '../../ops/padding';
import { declareSettings, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { Convolution, kernel1d, kernel2d } from './convolution';
import { weightSettings } from './weights';

const settings2d = declareSettings({ kernel: kernel2d, ...transposeSettings, ...weightSettings });

export type ConvTranspose2dLayerOptions = OptionsOf<typeof settings2d>;

/** Transposed convolution of [N, In, H, W] to [N, Out, H', W']. */
export class ConvTranspose2d<In extends number = number, Out extends number = number> extends Convolution<
  In,
  Out,
  readonly [number, number],
  Exclude<KeptPadding, 'same'>
> {
  static override readonly kind: string = 'convTranspose2d';
  static override readonly settings = settings2d;
  protected static override readonly transposed = true;
  declare readonly outputPadding: readonly [number, number];

  constructor(inChannels: In, outChannels: Out, options: ConvTranspose2dLayerOptions) {
    super(inChannels, outChannels, options);
    checkOutputPadding('nn.convTranspose2d', this);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    const steps = { stride, padding, outputPadding, dilation, groups };
    return ops.convTranspose2d(x, this.noisy(this.weight), this.bias, steps);
  }
}

/**
 * A transposed convolution layer (PyTorch's ConvTranspose2d) with PyTorch's initial weights. With stride
 * 2 it doubles height and width: kernel 2, or kernel 3 with padding 1 and outputPadding 1, or kernel 4
 * with padding 1.
 * @throws OptionError for missing or unknown options, channels that groups do not divide, output padding that
 *   is too large; ShapeError
 */
export const convTranspose2d = maker(ConvTranspose2d);

const settings1d = declareSettings({ kernel: kernel1d, ...transposeRowSettings, ...weightSettings });

export type ConvTranspose1dLayerOptions = OptionsOf<typeof settings1d>;

/** Transposed convolution of [N, In, L] to [N, Out, L']. */
export class ConvTranspose1d<In extends number = number, Out extends number = number> extends Convolution<
  In,
  Out,
  number,
  Exclude<RowPadding, 'same'>
> {
  static override readonly kind: string = 'convTranspose1d';
  static override readonly settings = settings1d;
  protected static override readonly transposed = true;
  declare readonly outputPadding: number;

  constructor(inChannels: In, outChannels: Out, options: ConvTranspose1dLayerOptions) {
    super(inChannels, outChannels, options);
    checkOutputPadding('nn.convTranspose1d', transposedAlongRow(this));
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    const steps = { stride, padding, outputPadding, dilation, groups };
    return ops.convTranspose1d(x, this.noisy(this.weight), this.bias, steps);
  }
}

/** A transposed convolution along one axis (PyTorch's ConvTranspose1d). @throws as convTranspose2d */
export const convTranspose1d = maker(ConvTranspose1d);
