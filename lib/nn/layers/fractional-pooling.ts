/** Fractional max pooling; the op is in lib/ops/fractional-max-pool2d.ts. */
import * as ops from '../../ops';
import { fractionalSettings } from '../../ops/fractional-max-pool2d';
import type { FractionalKernel, FractionalMaxPool2dOptions } from '../../ops/fractional-max-pool2d';
import type { FractionalSettings } from '../../ops/fractional-max-pool2d';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { Module } from '../module';
import type { PassThrough } from '../typing';

/** Largest element of regions whose places are drawn anew in each training step; in evaluation they are fixed. */
export class FractionalMaxPool2d extends Module {
  static override readonly kind: string = 'fractionalMaxPool2d';
  declare readonly channels?: PassThrough;
  readonly kernel: FractionalSettings['kernel'];
  readonly outputSize: readonly [number, number] | undefined;
  readonly outputRatio: readonly [number, number] | undefined;
  readonly sequence: 'pseudorandom' | 'random';

  constructor(kernel: FractionalKernel, options: FractionalMaxPool2dOptions) {
    super();
    const settings = fractionalSettings('nn.fractionalMaxPool2d', kernel, options);
    this.kernel = settings.kernel;
    this.outputSize = settings.outputSize;
    this.outputRatio = settings.outputRatio;
    this.sequence = settings.sequence;
  }

  private options(): FractionalMaxPool2dOptions {
    const { outputSize, outputRatio, sequence } = this;
    return { ...(outputSize && { outputSize }), ...(outputRatio && { outputRatio }), sequence };
  }

  override forward(x: Tensor): Tensor {
    return ops.fractionalMaxPool2d(x, this.kernel, { ...this.options(), draw: this.training });
  }

  override config(): Json {
    return { kernel: this.kernel, ...this.options() };
  }
}

/**
 * Fractional max pooling (Graham 2014) of [N, C, H, W]: the largest element of each of `outputSize` (or floor(`outputRatio` times the input))
 * regions. `kernel` is 'disjoint' or 'overlapping', the paper's regions, or the size of windows, PyTorch's. In training each example's regions
 * are drawn anew each step, the same for all channels; in evaluation they are the pseudorandom ones with u = 1/2, so that predictions repeat.
 * PyTorch draws in evaluation as well, and for each channel apart. @throws OptionError, ShapeError
 */
export function fractionalMaxPool2d(
  kernel: FractionalKernel,
  options: FractionalMaxPool2dOptions,
): FractionalMaxPool2d {
  return new FractionalMaxPool2d(kernel, options);
}
