/** Max and average pooling over windows of H and W, and the global average. */
import { ShapeError } from '../errors';
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { KernelAttrs } from '../native';
import { checkObject, bool, checkKeys } from '../options';
import { formatShape, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, pair, type Pair } from './checks';
import { convOutputSize } from './conv2d';
import { mean } from './reduce';

export interface MaxPool2dOptions {
  /** Default: the kernel size, so that windows do not overlap. */
  readonly stride?: Pair;
  /** Border of -Infinity on each side; at most half the kernel. Default 0. */
  readonly padding?: Pair;
  /** Default 1. */
  readonly dilation?: Pair;
}

export interface AvgPool2dOptions {
  /** Default: the kernel size. */
  readonly stride?: Pair;
  /** Border of zeros on each side; at most half the kernel. Default 0. */
  readonly padding?: Pair;
  /** Whether the border counts in the divisor. Default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

/** A window whose numbers are checked. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/** @throws ShapeError for numbers that make no window, and a padding of more than half the kernel */
export function checkWindow(op: string, kernel: Pair, options: MaxPool2dOptions): Window {
  checkObject(op, 'options', options);
  const window = {
    kernel: pair(op, 'kernel', kernel, 1),
    stride: pair(op, 'stride', options.stride ?? kernel, 1),
    padding: pair(op, 'padding', options.padding ?? 0, 0),
    dilation: pair(op, 'dilation', options.dilation ?? 1, 1),
  };
  if (window.padding.some((p, i) => 2 * p > window.kernel[i]!)) {
    throw new ShapeError(
      `${op}: padding ${formatShape(window.padding)} must be at most half of kernel ${formatShape(window.kernel)}`,
    );
  }
  return window;
}

function pooledShape(op: string, x: Tensor, w: Window): Shape {
  checkDType(op, 'x', x, 'f32');
  checkRank(op, 'x', x, 4);
  const [n, c, h, width] = x.shape as [number, number, number, number];
  const oh = convOutputSize(h, w.kernel[0], w.stride[0], w.padding[0], w.dilation[0]);
  const ow = convOutputSize(width, w.kernel[1], w.stride[1], w.padding[1], w.dilation[1]);
  if (oh < 1 || ow < 1)
    throw new ShapeError(
      `${op}: a window of ${formatShape(w.kernel)} does not fit into x ${formatShape(x.shape)}`,
    );
  return [n, c, oh, ow];
}

const maxPoolOp: OpRecord<Window> = {
  name: 'max_pool2d',
  bf16: firstAlike,
  leastOutputs: 1,
  infer: ([x], w) => {
    const shape = pooledShape('max_pool2d', x!, w);
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: w.kernel[0] * w.kernel[1] <= 256 ? 'u8' : 'i32' },
    ];
  },
  grad: ({ inputs, outputs, grads, attrs }) => [
    first(applyOp(maxPoolBackwardOp, [grads[0]!, outputs[1]!], { window: attrs, shape: inputs[0]!.shape })),
  ],
  lower: (l, w) => l.call('max_pool2d', l.inputs, l.outputs, { ...w }),
};

/** `window` of the pooling, `shape` of its input. */
interface MaxPoolBackwardAttrs {
  readonly window: Window;
  readonly shape: Shape;
}

const maxPoolBackwardOp: OpRecord<MaxPoolBackwardAttrs> = {
  name: 'max_pool2d_backward',
  bf16: firstAlike,
  // Without dilation every window has an element inside of the image, as padding is at most half of it.
  spreads: ({ window }) => window.dilation.every((d) => d === 1),
  infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
  lower: (l, { window }) => l.call('max_pool2d_backward', l.inputs, l.outputs, { ...window }),
};

/** Largest element of each window of x [N, C, H, W]; the first wins ties. @throws ShapeError, OptionError */
export function maxPool2d(x: Tensor, kernel: Pair, options: MaxPool2dOptions = {}): Tensor {
  checkKeys('max_pool2d', options, ['stride', 'padding', 'dilation']);
  return first(applyOp(maxPoolOp, [x], checkWindow('max_pool2d', kernel, options)));
}

interface AverageAttrs {
  readonly window: Window;
  readonly countIncludePad: boolean;
  /** Shape of x; for the backward op. */
  readonly shape: Shape;
}

function averageAttrs({ window, countIncludePad }: AverageAttrs): KernelAttrs {
  const { kernel, stride, padding } = window;
  return { kernel, stride, padding, countIncludePad };
}

const avgPoolOp: OpRecord<AverageAttrs> = {
  name: 'avg_pool2d',
  bf16: firstAlike,
  infer: ([x], { window }) => [{ shape: pooledShape('avg_pool2d', x!, window), dtype: 'f32' }],
  grad: ({ grads, attrs }) => [first(applyOp(avgPoolBackwardOp, [grads[0]!], attrs))],
  lower: (l, attrs) => l.call('avg_pool2d', l.inputs, l.outputs, averageAttrs(attrs)),
};

const avgPoolBackwardOp: OpRecord<AverageAttrs> = {
  name: 'avg_pool2d_backward',
  bf16: firstAlike,
  infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
  lower: (l, attrs) => l.call('avg_pool2d_backward', l.inputs, l.outputs, averageAttrs(attrs)),
};

/** Mean of each window of x [N, C, H, W]. @throws ShapeError, OptionError */
export function avgPool2d(x: Tensor, kernel: Pair, options: AvgPool2dOptions = {}): Tensor {
  checkKeys('avg_pool2d', options, ['stride', 'padding', 'countIncludePad']);
  const window = checkWindow('avg_pool2d', kernel, options);
  const countIncludePad = bool('avg_pool2d', 'countIncludePad', options.countIncludePad ?? true);
  return first(applyOp(avgPoolOp, [x], { window, countIncludePad, shape: x.shape }));
}

/** Mean over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveAvgPool2d(1). */
export function globalAvgPool2d(x: Tensor): Tensor {
  checkRank('global_avg_pool2d', 'x', x, 4);
  return mean(x, { axes: [2, 3], keepDims: true });
}

/** Largest element over H and W: [N, C, H, W] to [N, C, 1, 1], as PyTorch's AdaptiveMaxPool2d(1). */
export function globalMaxPool2d(x: Tensor): Tensor {
  checkRank('global_max_pool2d', 'x', x, 4);
  return maxPool2d(x, [x.shape[2]!, x.shape[3]!]);
}
