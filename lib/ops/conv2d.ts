/**
 * 2-D convolution (cross-correlation, as in PyTorch):
 *
 *     y[n, o, i, j] = bias[o] + sum_{c, r, s} x[n, c, i sh - ph + r dh, j sw - pw + s dw] w[o, c, r, s]
 *
 * ph and pw are the padding above and on the left.
 *
 * The kernels are a batch-reduce GEMM over channels-last memory (Georganas et al. 2019) and, for 3x3 kernels
 * with stride 1 where it is faster, Winograd's F(4x4, 3x3) (Lavin & Gray 2016). Winograd's rounding errors
 * are a few times larger; see native/ops/conv2d.cc.
 */
import { ShapeError } from '../errors';
import { activations, type Bf16 } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { KernelAttrs } from '../native';
import { checkList, nonNegativeInteger } from '../options';
import { declareSettings, oneOf, positiveInteger, type OptionsOf, type ValuesOf } from '../settings';
import { formatShape, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, pairFrom } from './checks';
import { formatPadding, padding, sameSides, sidesOf, type Sides } from './padding';
import { sum } from './reduce';

const algorithms = ['auto', 'im2col', 'direct', 'winograd'] as const;
/** How a convolution is computed. */
export type Conv2dAlgorithm = (typeof algorithms)[number];

/** Steps and borders of convolutions, in two dimensions. */
export const stepSettings = {
  stride: pairFrom(1)('Step of the kernel.', { default: 1 }),
  padding: padding(
    "Zeros added on each side: a number, [height, width], [top, bottom, left, right], or 'same' for ceil(input / stride) outputs.",
    { default: 0 },
  ),
  dilation: pairFrom(1)('Distance between kernel elements.', { default: 1 }),
  groups: positiveInteger('Channels are split into this many groups that do not see each other.', {
    default: 1,
  }),
};

const settings = declareSettings({
  ...stepSettings,
  algorithm: oneOf(algorithms)(
    'Forces an algorithm, for comparisons: `im2col` is the explicit column matrix, `direct` needs none, and `winograd` is an error unless kernel is 3, stride, dilation and groups 1. `auto`: the fastest for the shape.',
    { default: 'auto' },
  ),
});

/** Steps and borders of a convolution. */
export type Conv2dOptions = OptionsOf<typeof settings>;

export type ConvGeometry = Omit<ValuesOf<typeof settings>, 'padding'> & { readonly padding: Sides };

/** Attributes that all convolution kernels have. An algorithm's number is its place in the list. */
export function geometryAttrs({ stride, padding, dilation, groups, algorithm }: ConvGeometry): KernelAttrs {
  return { stride, padding, dilation, groups, algorithm: algorithms.indexOf(algorithm) };
}

/**
 * Output height or width: floor((input + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Where the
 * paddings [before, after] the input differ, their sum stands for 2 padding.
 */
export function convOutputSize(
  input: number,
  kernel: number,
  stride: number,
  padding: number | readonly [before: number, after: number],
  dilation: number,
): number {
  if (typeof padding !== 'number') checkList('conv_output_size', 'padding', padding);
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  const sizes = { input, kernel, stride, padding: before, 'padding after': after, dilation };
  for (const [name, value] of Object.entries(sizes)) nonNegativeInteger('conv_output_size', name, value);
  return Math.floor((input + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

function inferForward([x, w, b]: readonly Tensor[], g: ConvGeometry): Shape {
  checkDType('conv2d', 'x', x!, 'f32');
  checkRank('conv2d', 'x', x!, 4);
  checkRank('conv2d', 'weight', w!, 4);
  const [n, c, h, width] = x!.shape as [number, number, number, number];
  const [o, ci, kh, kw] = w!.shape as [number, number, number, number];
  if (c !== ci * g.groups) {
    throw new ShapeError(
      `conv2d: weight expects ${ci * g.groups} input channels, x is ${formatShape(x!.shape)}`,
    );
  }
  if (o % g.groups !== 0)
    throw new ShapeError(`conv2d: ${o} output channels cannot be split into ${g.groups} groups`);
  if (b !== undefined && (b.rank !== 1 || b.shape[0] !== o)) {
    throw new ShapeError(`conv2d: bias must be [${o}], got ${formatShape(b.shape)}`);
  }
  const [top, bottom, left, right] = g.padding;
  const oh = convOutputSize(h, kh, g.stride[0], [top, bottom], g.dilation[0]);
  const ow = convOutputSize(width, kw, g.stride[1], [left, right], g.dilation[1]);
  if (oh < 1 || ow < 1 || o < 1 || ci < 1) {
    throw new ShapeError(
      `conv2d: a ${kh}x${kw} kernel does not fit into x ${formatShape(x!.shape)} with padding ${formatPadding(g.padding)}`,
    );
  }
  return [n, o, oh, ow];
}

const conv2dOp: OpRecord<ConvGeometry> = {
  name: 'conv2d',
  bf16: { kind: 'product', operands: [0], output: 'either' },
  applies: Object.values(activations),
  layer: { addsResidual: ({ groups }) => groups === 1, convolution: (geometry) => geometry },
  infer: (inputs, attrs) => [{ shape: inferForward(inputs, attrs), dtype: 'f32' }],
  grad: ({ inputs: [x, w, b], grads: [dy], attrs, wanted }) => {
    const dx = wanted[0]
      ? first(applyOp(backwardDataOp, [dy!, w!], { geometry: attrs, shape: x!.shape }))
      : null;
    const dw = wanted[1]
      ? first(applyOp(conv2dBackwardWeightsOp, [dy!, x!], { geometry: attrs, shape: w!.shape }))
      : null;
    return b === undefined ? [dx, dw] : [dx, dw, wanted[2] ? sum(dy!, { axes: [0, 2, 3] }) : null];
  },
  lower: (l, geometry) => {
    const { activation, residual: hasResidual } = l.fused;
    const [, , ...optional] = l.inputs;
    const hasBias = optional.length > Number(hasResidual);
    l.call(
      l.forOperands('conv2d'),
      l.inputs,
      l.outputs,
      { ...geometryAttrs(geometry), hasBias, hasResidual, activation },
      hasResidual ? [l.inputs.length - 1] : [],
    );
  },
};

interface BackwardAttrs {
  readonly geometry: ConvGeometry;
  readonly shape: Shape;
}

function backwardOp(name: string, bf16: Bf16): OpRecord<BackwardAttrs> {
  return {
    name,
    bf16,
    infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
    lower: (l, { geometry }) => l.call(l.forOperands(name), l.inputs, l.outputs, geometryAttrs(geometry)),
  };
}

const backwardDataOp = backwardOp('conv2d_backward_data', {
  kind: 'product',
  operands: [0],
  output: 'either',
});
/** The gradient of the weight: dy, x -> dw. */
export const conv2dBackwardWeightsOp = backwardOp('conv2d_backward_weights', {
  kind: 'product',
  operands: [0, 1],
  output: 'f32',
});

/**
 * Convolves x [N, C, H, W] with weight [O, C / groups, kH, kW] and adds bias [O].
 * Result: [N, O, floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1, ...].
 * @throws ShapeError if channels, groups or the kernel do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv2dOptions = {}): Tensor {
  const geometry = geometryOn(x, weight, settings.read('conv2d', options));
  return first(applyOp(conv2dOp, bias === undefined ? [x, weight] : [x, weight, bias], geometry));
}

function geometryOn(x: Tensor, weight: Tensor, steps: ValuesOf<typeof settings>): ConvGeometry {
  if (steps.padding !== 'same') return { ...steps, padding: sidesOf(steps.padding) };
  checkRank('conv2d', 'weight', weight, 4);
  const [, , kh, kw] = weight.shape as [number, number, number, number];
  return { ...steps, padding: sameSides('conv2d', x, { ...steps, kernel: [kh, kw] }) };
}
