/** A shortcut of residual networks that has no parameters. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import type { Tensor } from '../../tensor/tensor';
import { channelArguments } from '../layers/convolution';
import { maker, withArguments } from '../layer';
import { type StrideOptions, strideSettings } from './parts';

/**
 * Every stride-th row and column, and zeros in as many new channels on both sides: a
 * shortcut without parameters.
 */
export class PadShortcut extends withArguments(channelArguments, strideSettings) {
  static override readonly kind: string = 'padShortcut';

  constructor(inChannels: number, outChannels: number, options: StrideOptions = {}) {
    super({ inChannels, outChannels }, options);
    if (outChannels < inChannels)
      throw new OptionError(
        `nn.padShortcut: ${outChannels} channels are less than the input's ${inChannels}`,
      );
  }

  override forward(x: Tensor): Tensor {
    const kept = this.stride === 1 ? x : ops.avgPool2d(x, 1, { stride: this.stride });
    const before = Math.floor((this.outChannels - this.inChannels) / 2);
    const [n, , h, w] = kept.shape as [number, number, number, number];
    return before === 0 && this.outChannels === this.inChannels
      ? kept
      : ops.pad(kept, [0, before, 0, 0], [n, this.outChannels, h, w]);
  }
}

/** The shortcut that He et al. 2016 call option A. @throws OptionError when channels become fewer */
export const padShortcut = maker(PadShortcut);
