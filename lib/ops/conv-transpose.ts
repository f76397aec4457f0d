/**
 * Transposed convolution (Zeiler et al. 2010): the gradient of a convolution with respect to its input, used
 * as a layer. y[n, o, i sh - ph + r dh, j sw - pw + s dw] += x[n, c, i, j] w[c, o, r, s]. It runs conv2d's
 * kernels with the roles exchanged.
 */
import { OptionError, ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import {
  declareSettings,
  nonNegativeInteger,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../settings';
import { formatShape, type Shape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { add } from './binary';
import { checkDType, checkRank, pairFrom } from './checks';
import { alongRow, asRows, rowSettings, withoutRows } from './conv1d';
import { geometryAttrs, conv2d, conv2dBackwardWeightsOp, stepSettings, type ConvGeometry } from './conv2d';
import { ends, formatPadding, sides, sidesOf, type Sides } from './padding';
import { pad, reshape } from './shape-ops';

/** Steps and borders of transposed convolutions, in two dimensions. */
export const transposeSettings = {
  stride: pairFrom(1)(
    'Step of the convolution that is transposed: the output is about this many times as large.',
    { default: 1 },
  ),
  padding: sides(
    'Rows and columns cut off each side of the output: a number, [height, width] or [top, bottom, left, right].',
    { default: 0 },
  ),
  outputPadding: pairFrom(0)(
    'Rows and columns that the output has besides, at the end; less than stride or dilation.',
    { default: 0 },
  ),
  dilation: stepSettings.dilation,
  groups: stepSettings.groups,
};

const settings = declareSettings(transposeSettings);

export type ConvTranspose2dOptions = OptionsOf<typeof settings>;

type TransposeSteps = ValuesOf<typeof settings>;

export interface TransposeGeometry extends ConvGeometry {
  readonly outputPadding: readonly [number, number];
}

/** @throws OptionError if the output padding is too large for the steps */
export function checkOutputPadding(
  where: string,
  { stride, dilation, outputPadding }: Pick<TransposeSteps, 'stride' | 'dilation' | 'outputPadding'>,
): void {
  outputPadding.forEach((extra, i) => {
    const bound = Math.max(stride[i]!, dilation[i]!);
    if (extra >= bound)
      throw new OptionError(
        `${where}: outputPadding must be less than stride or dilation (${bound}), got ${extra}`,
      );
  });
}

function geometryOf(where: string, steps: TransposeSteps): TransposeGeometry {
  checkOutputPadding(where, steps);
  return { ...steps, padding: sidesOf(steps.padding), algorithm: 'auto' };
}

function outputSize(g: TransposeGeometry, axis: 0 | 1, input: number, kernel: number): number {
  const reach = g.dilation[axis] * (kernel - 1) + 1;
  const cut = g.padding[2 * axis]! + g.padding[2 * axis + 1]!;
  return (input - 1) * g.stride[axis] - cut + reach + g.outputPadding[axis];
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
    throw new ShapeError(`conv_transpose2d: ${c} input channels cannot be split into ${g.groups} groups`);
  const [oh, ow] = [outputSize(g, 0, h, kh), outputSize(g, 1, width, kw)];
  if (oh < 1 || ow < 1 || c < 1 || o < 1 || kh < 1 || kw < 1) {
    throw new ShapeError(
      `conv_transpose2d: nothing is left of x ${formatShape(x!.shape)} by a ${kh}x${kw} kernel with padding ${formatPadding(g.padding)}`,
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

/**
 * Moves output padding of whole strides into zeros behind x. Returns the padded x, and the geometry with the
 * padding that remains.
 */
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
 * @throws ShapeError if channels, groups or the kernel do not fit; OptionError
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const where = 'conv_transpose2d';
  const [input, geometry] = wholeStrides(x, geometryOf(where, settings.read(where, options)));
  const y = first(applyOp(convTranspose2dOp, [input, weight], geometry));
  if (bias === undefined) return y;
  const channels = y.shape[1]!;
  checkTensor('conv_transpose2d', 'bias', bias);
  if (bias.rank !== 1 || bias.shape[0] !== channels)
    throw new ShapeError(`conv_transpose2d: bias must be [${channels}], got ${formatShape(bias.shape)}`);
  return add(y, reshape(bias, [1, channels, 1, 1]));
}

/** Steps and borders of transposed convolutions along one axis. */
export const transposeRowSettings = {
  stride: positiveInteger(
    'Step of the convolution that is transposed: the output is about this many times as long.',
    { default: 1 },
  ),
  padding: ends('Elements cut off each side of the output: a number or [left, right].', { default: 0 }),
  outputPadding: nonNegativeInteger(
    'Elements that the output has besides, at the end; less than stride or dilation.',
    { default: 0 },
  ),
  dilation: rowSettings.dilation,
  groups: stepSettings.groups,
};

const settings1d = declareSettings(transposeRowSettings);

/** Steps of a transposed convolution along one axis. */
export type ConvTranspose1dOptions = OptionsOf<typeof settings1d>;

interface RowGeometry extends Record<'stride' | 'dilation' | 'outputPadding', [number, number]> {
  readonly padding: Sides;
  readonly groups: number;
}

/** The steps of the 2-D transposed convolution. */
export function transposedAlongRow(
  steps: Pick<ValuesOf<typeof settings1d>, keyof typeof transposeRowSettings>,
): RowGeometry {
  return { ...alongRow(steps), outputPadding: [0, steps.outputPadding] };
}

/**
 * Transposed convolution of x [N, C, L] with weight [C, O / groups, k], plus bias [O].
 * Result: [N, O, (L - 1) stride - left - right + dilation (k - 1) + outputPadding + 1], where the padding is
 * [left, right].
 * @throws ShapeError, OptionError
 */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose1dOptions = {},
): Tensor {
  const where = 'conv_transpose1d';
  const steps = transposedAlongRow(settings1d.read(where, options));
  checkOutputPadding(where, steps);
  const [image, kernel] = [asRows(where, 'x', x), asRows(where, 'weight', weight)];
  return withoutRows(convTranspose2d(image, kernel, bias, steps));
}
