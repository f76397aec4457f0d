/** Pooling to a size that is given, whatever the input's; the ops are in lib/ops/adaptive-pool2d.ts. */
import * as ops from '../../ops';
import { adaptiveSize, type AdaptiveSize } from '../../ops/adaptive-pool2d';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { Module } from '../module';
import type { PassThrough } from '../typing';
import { withoutOptions } from './without-options';

/** Mean over windows such that the output is [N, C, ...size]. */
export class AdaptiveAvgPool2d extends Module {
  static override readonly kind: string = 'adaptiveAvgPool2d';
  declare readonly channels?: PassThrough;
  readonly size: readonly [number | null, number | null];

  constructor(size: AdaptiveSize) {
    super();
    this.size = adaptiveSize('nn.adaptiveAvgPool2d', size);
  }

  override forward(x: Tensor): Tensor {
    return ops.adaptiveAvgPool2d(x, this.size);
  }

  override config(): Json {
    return { size: this.size };
  }
}

/** Largest element of windows such that the output is [N, C, ...size]. */
export class AdaptiveMaxPool2d extends Module {
  static override readonly kind: string = 'adaptiveMaxPool2d';
  declare readonly channels?: PassThrough;
  readonly size: readonly [number | null, number | null];

  constructor(size: AdaptiveSize) {
    super();
    this.size = adaptiveSize('nn.adaptiveMaxPool2d', size);
  }

  override forward(x: Tensor): Tensor {
    return ops.adaptiveMaxPool2d(x, this.size);
  }

  override config(): Json {
    return { size: this.size };
  }
}

/**
 * Mean over windows of [N, C, H, W] that are chosen such that the output is [N, C, ...size], as PyTorch's AdaptiveAvgPool2d; null keeps the
 * input's height or width. @throws OptionError
 */
export function adaptiveAvgPool2d(size: AdaptiveSize): AdaptiveAvgPool2d {
  return new AdaptiveAvgPool2d(size);
}

/** As adaptiveAvgPool2d, of the largest elements. @throws OptionError */
export function adaptiveMaxPool2d(size: AdaptiveSize): AdaptiveMaxPool2d {
  return new AdaptiveMaxPool2d(size);
}

/** Largest element over H and W. */
export class GlobalMaxPool2d extends Module {
  static override readonly kind: string = 'globalMaxPool2d';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return ops.globalMaxPool2d(x);
  }
}

/** Largest element over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveMaxPool2d(1). */
export const globalMaxPool2d = withoutOptions('nn.globalMaxPool2d', () => new GlobalMaxPool2d());
