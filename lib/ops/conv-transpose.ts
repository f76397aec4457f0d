/**
 * Transposed convolution (Zeiler et al. 2010), the gradient of a convolution with respect to its input, taken
 * as a layer: y[n, o, i sh - ph + r dh, j sw - pw + s dw] += x[n, c, i, j] w[c, o, r, s]. The kernels are
 * conv2d's, with the roles exchanged.
 */
import { OptionError, ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkKeys } from '../options';
import { formatShape, type Shape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { add } from './binary';
import { checkDType, checkRank, pair, type Pair } from './checks';
import { alongWidth, asRows, conv1dSteps, withoutRows, type Conv1dOptions } from './conv1d';
import { geometryAttrs, conv2d, conv2dBackwardWeightsOp, convGeometry, type ConvGeometry } from './conv2d';
import { pad, reshape } from './shape-ops';

export interface ConvTranspose2dOptions {
  /** Of the convolution that is transposed: the output is about this many times as large. Default 1. */
  readonly stride?: Pair;
  /** Rows and columns cut off each side of the output. Default 0. */
  readonly padding?: Pair;
  /** Rows and columns that the output has besides, at the end; less than stride or dilation. Default 0. */
  readonly outputPadding?: Pair;
  /** Distance between kernel elements. Default 1. */
  readonly dilation?: Pair;
  /** Channels are split in this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

export interface TransposeGeometry extends ConvGeometry {
  readonly outputPadding: readonly [number, number];
}

/** Checks and completes options. @throws OptionError, ShapeError */
export function transposeGeometry(where: string, options: ConvTranspose2dOptions): TransposeGeometry {
  checkKeys(where, options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups']);
  const { outputPadding = 0, ...steps } = options;
  const geometry = convGeometry(where, steps);
  const extra = pair(where, 'outputPadding', outputPadding, 0);
  extra.forEach((e, i) => {
    const bound = Math.max(geometry.stride[i]!, geometry.dilation[i]!);
    if (e >= bound)
      throw new OptionError(
        `${where}: outputPadding must be less than stride or dilation (${bound}), got ${e}`,
      );
  });
  return { ...geometry, outputPadding: extra };
}

function outputSize(g: TransposeGeometry, axis: 0 | 1, input: number, kernel: number): number {
  const reach = g.dilation[axis] * (kernel - 1) + 1;
  return (input - 1) * g.stride[axis] - 2 * g.padding[axis] + reach + g.outputPadding[axis];
}

function infer([x, w]: readonly Tensor[], g: TransposeGeometry): Shape {
  checkDType('conv_transpose2d', 'x', x!, 'f32');
  checkDType('conv_transpose2d', 'weight', w!, 'f32');
  checkRank('conv_transpose2d', 'x', x!, 4);
  checkRank('conv_transpose2d', 'weight', w!, 4);
  const [n, c, h, width] = x!.shape as [number, number, number, number];
  const [ci, o, kh, kw] = w!.shape as [number, number, number, number];
  if (c !== ci) {
    throw new ShapeError(
      `conv_transpose2d: weight expects ${ci} input channels, x is ${formatShape(x!.shape)}`,
    );
  }
  if (c % g.groups !== 0)
    throw new ShapeError(`conv_transpose2d: ${c} input channels cannot be split in ${g.groups} groups`);
  const [oh, ow] = [outputSize(g, 0, h, kh), outputSize(g, 1, width, kw)];
  if (oh < 1 || ow < 1 || c < 1 || o < 1 || kh < 1 || kw < 1) {
    throw new ShapeError(
      `conv_transpose2d: nothing is left of x ${formatShape(x!.shape)} by a ${kh}x${kw} kernel with padding ${formatShape(g.padding)}`,
    );
  }
  return [n, o * g.groups, oh, ow];
}

const convTranspose2dOp: OpRecord<TransposeGeometry> = {
  name: 'conv_transpose2d',
  bf16: { kind: 'product', operands: [0], output: 'either' },
  infer: (inputs, attrs) => [{ shape: infer(inputs, attrs), dtype: 'f32' }],
  grad: ({ inputs: [x, w], grads: [dy], attrs, wanted }) => {
    const { outputPadding: _, ...geometry } = attrs;
    return [
      wanted[0] ? conv2d(dy!, w!, undefined, geometry) : null,
      wanted[1] ? first(applyOp(conv2dBackwardWeightsOp, [x!, dy!], { geometry, shape: w!.shape })) : null,
    ];
  },
  lower: (l, attrs) =>
    l.call(l.forOperands('conv2d_backward_data'), l.inputs, l.outputs, geometryAttrs(attrs)),
};

/** Zeros behind x that stand for output padding of a whole stride or more, and the rest of that padding. */
function wholeStrides(x: Tensor, g: TransposeGeometry): [Tensor, TransposeGeometry] {
  const rows = Math.floor(g.outputPadding[0] / g.stride[0]);
  const columns = Math.floor(g.outputPadding[1] / g.stride[1]);
  if ((rows === 0 && columns === 0) || x.rank !== 4) return [x, g];
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const rest = [g.outputPadding[0] % g.stride[0], g.outputPadding[1] % g.stride[1]] as const;
  return [pad(x, [0, 0, 0, 0], [n, c, h + rows, w + columns]), { ...g, outputPadding: rest }];
}

/**
 * Transposed convolution of x [N, C, H, W] with weight [C, O / groups, kH, kW], plus bias [O].
 * Result: [N, O, (H - 1) stride - 2 padding + dilation (kH - 1) + outputPadding + 1, ...].
 * @throws ShapeError when channels, groups or the kernel do not fit; OptionError
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const [input, geometry] = wholeStrides(x, transposeGeometry('conv_transpose2d', options));
  const y = first(applyOp(convTranspose2dOp, [input, weight], geometry));
  if (bias === undefined) return y;
  const channels = y.shape[1]!;
  checkTensor('conv_transpose2d', 'bias', bias);
  if (bias.rank !== 1 || bias.shape[0] !== channels)
    throw new ShapeError(`conv_transpose2d: bias must be [${channels}], got ${formatShape(bias.shape)}`);
  return add(y, reshape(bias, [1, channels, 1, 1]));
}

/** Steps of a transposed convolution along one axis. */
export interface ConvTranspose1dOptions extends Conv1dOptions {
  /** Elements that the output has besides, at the end; less than stride or dilation. Default 0. */
  readonly outputPadding?: number;
}

/** Options of the 2-D one, checked and complete. @throws OptionError */
export function transposeGeometry1d(where: string, options: ConvTranspose1dOptions): TransposeGeometry {
  checkKeys(where, options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups']);
  const outputPadding = alongWidth(where, 'outputPadding', options.outputPadding, 0);
  return transposeGeometry(where, { ...conv1dSteps(where, options), outputPadding });
}

/**
 * Transposed convolution of x [N, C, L] with weight [C, O / groups, k], plus bias [O].
 * Result: [N, O, (L - 1) stride - 2 padding + dilation (k - 1) + outputPadding + 1].
 * @throws ShapeError, OptionError
 */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose1dOptions = {},
): Tensor {
  const where = 'conv_transpose1d';
  const { algorithm: _, ...steps } = transposeGeometry1d(where, options);
  const [image, kernel] = [asRows(where, 'x', x), asRows(where, 'weight', weight)];
  return withoutRows(convTranspose2d(image, kernel, bias, steps));
}
