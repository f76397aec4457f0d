/** Pooling layers; the ops are in lib/ops/pool2d.ts. */
import * as ops from '../../ops';
import type { Pair } from '../../ops/checks';
import { checkWindow, type AvgPool2dOptions, type MaxPool2dOptions } from '../../ops/pool2d';
import { bool, checkKeys } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { Module } from '../module';
import type { PassThrough } from '../typing';
import { withoutOptions } from './without-options';

/** Largest element of each window. */
export class MaxPool2d extends Module {
  static override readonly kind: string = 'maxPool2d';
  declare readonly channels?: PassThrough;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];

  constructor(kernel: Pair, options: MaxPool2dOptions = {}) {
    super();
    const where = 'nn.maxPool2d';
    checkKeys(where, options, ['stride', 'padding', 'dilation']);
    const window = checkWindow(where, kernel, options);
    this.kernel = window.kernel;
    this.stride = window.stride;
    this.padding = window.padding;
    this.dilation = window.dilation;
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation } = this;
    return ops.maxPool2d(x, this.kernel, { stride, padding, dilation });
  }

  override config(): Json {
    const { kernel, stride, padding, dilation } = this;
    return { kernel, stride, padding, dilation };
  }
}

/** Largest element of each window of [N, C, H, W]. The stride defaults to the kernel. @throws ShapeError, OptionError */
export function maxPool2d(kernel: Pair, options: MaxPool2dOptions = {}): MaxPool2d {
  return new MaxPool2d(kernel, options);
}

/** Mean of each window. */
export class AvgPool2d extends Module {
  static override readonly kind: string = 'avgPool2d';
  declare readonly channels?: PassThrough;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly countIncludePad: boolean;

  constructor(kernel: Pair, options: AvgPool2dOptions = {}) {
    super();
    const where = 'nn.avgPool2d';
    checkKeys(where, options, ['stride', 'padding', 'countIncludePad']);
    const window = checkWindow(where, kernel, options);
    this.kernel = window.kernel;
    this.stride = window.stride;
    this.padding = window.padding;
    this.countIncludePad = bool(where, 'countIncludePad', options.countIncludePad ?? true);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, countIncludePad } = this;
    return ops.avgPool2d(x, this.kernel, { stride, padding, countIncludePad });
  }

  override config(): Json {
    const { kernel, stride, padding, countIncludePad } = this;
    return { kernel, stride, padding, countIncludePad };
  }
}

/** Mean of each window of [N, C, H, W]. The stride defaults to the kernel. @throws ShapeError, OptionError */
export function avgPool2d(kernel: Pair, options: AvgPool2dOptions = {}): AvgPool2d {
  return new AvgPool2d(kernel, options);
}

/** Mean over H and W. */
export class GlobalAvgPool2d extends Module {
  static override readonly kind: string = 'globalAvgPool2d';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return ops.globalAvgPool2d(x);
  }
}

/** Mean over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveAvgPool2d(1). */
export const globalAvgPool2d = withoutOptions('nn.globalAvgPool2d', () => new GlobalAvgPool2d());
