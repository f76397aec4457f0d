/** Fractional max pooling; the op is in lib/ops/fractional-max-pool2d.ts. */
import * as ops from '../../ops';
import {
  checkOutput,
  fractionalKernel,
  fractionalSettings,
  type FractionalKernel,
} from '../../ops/fractional-max-pool2d';
import { declareSettings, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import { SameWidth } from './same-width';

const args = declareSettings({
  kernel: fractionalKernel("What a region is: 'disjoint', 'overlapping', or the size of windows."),
});

export type FractionalMaxPool2dLayerOptions = OptionsOf<typeof fractionalSettings>;

/**
 * Largest element of regions whose places are drawn anew in each training step; in evaluation they are fixed.
 */
export class FractionalMaxPool2d extends withArguments(args, fractionalSettings, [], SameWidth) {
  static override readonly kind: string = 'fractionalMaxPool2d';

  constructor(kernel: FractionalKernel, options: FractionalMaxPool2dLayerOptions) {
    super({ kernel }, options);
    checkOutput('nn.fractionalMaxPool2d', this);
  }

  override forward(x: Tensor): Tensor {
    const { kernel, outputSize, outputRatio, sequence } = this;
    return ops.fractionalMaxPool2d(x, kernel, { outputSize, outputRatio, sequence, draw: this.stochastic });
  }
}

/**
 * Fractional max pooling (Graham 2014) of [N, C, H, W]: the largest element of each of `outputSize` (or
 * floor(`outputRatio` times the input)) regions. `kernel` is 'disjoint' or 'overlapping', the paper's
 * regions, or the size of windows, PyTorch's. In training each example's regions are drawn anew each step,
 * the same for all channels; in evaluation they are the pseudorandom ones with u = 1/2, so that predictions
 * repeat. PyTorch draws in evaluation as well, and for each channel apart.
 * @throws OptionError, ShapeError
 */
export const fractionalMaxPool2d = maker(FractionalMaxPool2d);
