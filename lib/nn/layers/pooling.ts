/** Pooling layers; the ops are in lib/ops/pool2d.ts. */
import * as ops from '../../ops';
import { pairFrom, type Pair } from '../../ops/checks';
import {
  avgPoolSettings,
  maxPoolSettings,
  windowOf,
  type AvgPool2dOptions,
  type MaxPool2dOptions,
} from '../../ops/pool2d';
import { declareSettings } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import { SameWidth } from './same-width';

const args = declareSettings({ kernel: pairFrom(1)('Height and width of the window.') });

/** Largest element of each window. */
export class MaxPool2d extends withArguments(args, maxPoolSettings, [], SameWidth) {
  static override readonly kind: string = 'maxPool2d';
  declare readonly stride: readonly [number, number];

  constructor(kernel: Pair, options: MaxPool2dOptions = {}) {
    super({ kernel }, options);
    this.stride = windowOf('nn.maxPool2d', kernel, this).stride;
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation } = this;
    return ops.maxPool2d(x, this.kernel, { stride, padding, dilation });
  }
}

/**
 * Largest element of each window of f32 [N, C, H, W], per channel: PyTorch's MaxPool2d. The output is [N, C,
 * floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, ...]; the stride defaults to the kernel.
 * @throws ShapeError, OptionError
 */
export const maxPool2d = maker(MaxPool2d);

/** Mean of each window. */
export class AvgPool2d extends withArguments(args, avgPoolSettings, [], SameWidth) {
  static override readonly kind: string = 'avgPool2d';
  declare readonly stride: readonly [number, number];

  constructor(kernel: Pair, options: AvgPool2dOptions = {}) {
    super({ kernel }, options);
    this.stride = windowOf('nn.avgPool2d', kernel, this).stride;
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, countIncludePad } = this;
    return ops.avgPool2d(x, this.kernel, { stride, padding, countIncludePad });
  }
}

/** Mean of each window of [N, C, H, W]. The stride defaults to the kernel. @throws ShapeError, OptionError */
export const avgPool2d = maker(AvgPool2d);

/** Mean over H and W. */
export class GlobalAvgPool2d extends SameWidth {
  static override readonly kind: string = 'globalAvgPool2d';

  override forward(x: Tensor): Tensor {
    return ops.globalAvgPool2d(x);
  }
}

/** Mean over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveAvgPool2d(1). */
export const globalAvgPool2d = maker(GlobalAvgPool2d);

/** Largest element over H and W. */
export class GlobalMaxPool2d extends SameWidth {
  static override readonly kind: string = 'globalMaxPool2d';

  override forward(x: Tensor): Tensor {
    return ops.globalMaxPool2d(x);
  }
}

/** Largest element over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveMaxPool2d(1). */
export const globalMaxPool2d = maker(GlobalMaxPool2d);
