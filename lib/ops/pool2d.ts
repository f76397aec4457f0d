/** Max and average pooling over windows of H and W, and the global average. */
import { ShapeError } from '../errors';
import { firstAlike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { KernelAttrs } from '../native';
import { bool, declareSettings, type OptionsOf } from '../settings';
import { formatShape, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, pair, pairFrom, type Pair } from './checks';
import { convOutputSize } from './conv2d';
import { formatPadding, padding, sameSides, sidesOf, type KeptPadding, type Sides } from './padding';
import { mean } from './reduce';

const stride = pairFrom(1)('Step of the window. Default: the kernel size, so that windows do not overlap.', {
  optional: true,
});

export const maxPoolSettings = declareSettings({
  stride,
  padding: padding(
    "Border of -Infinity on each side, at most half the kernel: a number, [height, width], [top, bottom, left, right], or 'same' for ceil(input / stride) outputs.",
    { default: 0 },
  ),
  dilation: pairFrom(1)('Distance between elements of the window.', { default: 1 }),
});

export type MaxPool2dOptions = OptionsOf<typeof maxPoolSettings>;

export const avgPoolSettings = declareSettings({
  stride,
  padding: padding(
    "Border of zeros on each side, at most half the kernel: a number, [height, width], [top, bottom, left, right], or 'same' for ceil(input / stride) outputs.",
    { default: 0 },
  ),
  countIncludePad: bool("Whether the border counts in the divisor, PyTorch's count_include_pad.", {
    default: true,
  }),
});

export type AvgPool2dOptions = OptionsOf<typeof avgPoolSettings>;

/** A window whose numbers are checked. `P`: Sides once the image's size is known. */
export interface Window<P extends KeptPadding = Sides> {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: P;
  readonly dilation: readonly [number, number];
}

interface WindowSteps {
  readonly padding: KeptPadding;
  readonly stride?: Window['stride'] | undefined;
  readonly dilation?: Window['dilation'];
}

/** @throws ShapeError for a kernel that is not a pair, and a padding of more than half of it */
export function windowOf(
  op: string,
  size: Pair,
  { stride, padding, dilation = [1, 1] }: WindowSteps,
): Window<KeptPadding> {
  const kernel = pair(op, 'kernel', size, 1);
  const tooMuch = (side: number, i: number): boolean => 2 * side > kernel[i < 2 ? 0 : 1];
  if (padding !== 'same' && sidesOf(padding).some(tooMuch)) {
    throw new ShapeError(
      `${op}: padding ${formatPadding(sidesOf(padding))} must be at most half of kernel ${formatShape(kernel)}`,
    );
  }
  return { kernel, stride: stride ?? kernel, padding, dilation };
}

function windowOn(op: string, x: Tensor, size: Pair, steps: WindowSteps): Window {
  const window = windowOf(op, size, steps);
  return {
    ...window,
    padding: window.padding === 'same' ? sameSides(op, x, window) : sidesOf(window.padding),
  };
}

function pooledShape(op: string, x: Tensor, w: Window): Shape {
  checkDType(op, 'x', x, 'f32');
  checkRank(op, 'x', x, 4);
  const [n, c, h, width] = x.shape as [number, number, number, number];
  const [top, bottom, left, right] = w.padding;
  const oh = convOutputSize(h, w.kernel[0], w.stride[0], [top, bottom], w.dilation[0]);
  const ow = convOutputSize(width, w.kernel[1], w.stride[1], [left, right], w.dilation[1]);
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
  const where = 'max_pool2d';
  return first(applyOp(maxPoolOp, [x], windowOn(where, x, kernel, maxPoolSettings.read(where, options))));
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
  const { countIncludePad, ...steps } = avgPoolSettings.read('avg_pool2d', options);
  const window = windowOn('avg_pool2d', x, kernel, steps);
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
