/** Pooling to a size that is given, whatever the input's; the ops are in lib/ops/adaptive-pool2d.ts. */
import * as ops from '../../ops';
import { adaptiveSize, type AdaptiveSize } from '../../ops/adaptive-pool2d';
import { declareSettings, kind } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import { SameWidth } from './same-width';

const size = kind<readonly [number | null, number | null], AdaptiveSize>({
  check: (where, _, value) => adaptiveSize(where, value),
  domain: { type: 'other' },
});

const args = declareSettings({ size: size("Height and width of the output; null keeps the input's.") });

abstract class AdaptivePool2d extends withArguments(args, declareSettings({}), [], SameWidth) {
  constructor(size: AdaptiveSize) {
    // Null is a size here; alone it would be taken for none.
    super({ size: size === null ? [null, null] : size });
  }
}

/** Mean over windows such that the output is [N, C, ...size]. */
export class AdaptiveAvgPool2d extends AdaptivePool2d {
  static override readonly kind: string = 'adaptiveAvgPool2d';

  override forward(x: Tensor): Tensor {
    return ops.adaptiveAvgPool2d(x, this.size);
  }
}

/** Largest element of windows such that the output is [N, C, ...size]. */
export class AdaptiveMaxPool2d extends AdaptivePool2d {
  static override readonly kind: string = 'adaptiveMaxPool2d';

  override forward(x: Tensor): Tensor {
    return ops.adaptiveMaxPool2d(x, this.size);
  }
}

/**
 * Mean over windows of [N, C, H, W] that are chosen such that the output is [N, C, ...size], as PyTorch's
 * AdaptiveAvgPool2d; null keeps the input's height or width.
 * @throws OptionError
 */
export const adaptiveAvgPool2d = maker(AdaptiveAvgPool2d);

/** As adaptiveAvgPool2d, of the largest elements. @throws OptionError */
export const adaptiveMaxPool2d = maker(AdaptiveMaxPool2d);
