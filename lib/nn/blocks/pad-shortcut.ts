/** A shortcut of residual networks that has no parameters. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { checkKeys, positiveInteger } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { Module } from '../module';
import { type ResidualBlockOptions, strideOf } from './parts';

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
