/** Sums over the rows of a data set in float64, and eigenvectors: what preprocessing is fitted with. */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { bool, checkKeys } from '../options';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';
import { matmul, productAttrs } from './matmul';

function checkSums(op: string, [total, x, shift]: readonly Tensor[], rank: 1 | 2): void {
  checkDType(op, 'x', x!, 'f32');
  checkRank(op, 'x', x!, 2);
  checkDType(op, 'shift', shift!, 'f64');
  checkDType(op, 'total', total!, 'f64');
  const features = x!.shape[1]!;
  if (!sameShape(shift!.shape, [features]))
    throw new ShapeError(`${op}: shift must be [${features}], got ${formatShape(shift!.shape)}`);
  const expected = Array<number>(rank).fill(features);
  if (!sameShape(total!.shape, expected))
    throw new ShapeError(`${op}: total must be ${formatShape(expected)}, got ${formatShape(total!.shape)}`);
}

const momentsOp: OpRecord<{ power: 1 | 2 }> = {
  name: 'column_moments',
  bf16: 'f32',
  infer: (inputs) => {
    checkSums('column_moments', inputs, 1);
    return [{ shape: inputs[0]!.shape, dtype: 'f64' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l, { power }) => {
    const [total, x, shift] = l.inputs;
    l.call('column_moments', [x!, shift!, total!], l.outputs, { power });
  },
};

/**
 * total + the sum over the rows of (x - shift)^power, in float64: x f32 [B, D], shift and total f64 [D].
 * Assign it back to `total` to add up a whole data set.
 * @throws ShapeError, DTypeError
 */
export function columnMoments(total: Tensor, x: Tensor, shift: Tensor, power: 1 | 2): Tensor {
  return first(applyOp(momentsOp, [total, x, shift], { power }));
}

const covarianceOp: OpRecord<null> = {
  name: 'covariance',
  bf16: 'f32',
  infer: (inputs) => {
    checkSums('covariance', inputs, 2);
    return [{ shape: inputs[0]!.shape, dtype: 'f64' }];
  },
  inPlaceState: () => [[0, 0]],
  lower: (l) => {
    const [total, x, shift] = l.inputs;
    l.call('covariance', [x!, shift!, total!], l.outputs);
  },
};

/**
 * total + (x - shift)^T (x - shift), in float64: x f32 [B, D], shift f64 [D], total f64 [D, D]. Only its
 * lower triangle counts; the values above the diagonal are arbitrary. Not divided by the number of rows.
 * @throws ShapeError, DTypeError
 */
export function covariance(total: Tensor, x: Tensor, shift: Tensor): Tensor {
  return first(applyOp(covarianceOp, [total, x, shift], null));
}

const eighOp: OpRecord<null> = {
  name: 'eigh',
  bf16: 'f32',
  infer: ([a]) => {
    checkDType('eigh', 'a', a!, 'f64');
    checkRank('eigh', 'a', a!, 2);
    const [rows, columns] = a!.shape as [number, number];
    if (rows !== columns || rows === 0)
      throw new ShapeError(`eigh: a must be a square matrix, got ${formatShape(a!.shape)}`);
    return [
      { shape: [rows], dtype: 'f64' },
      { shape: [rows, rows], dtype: 'f64' },
    ];
  },
  lower: (l) => l.call('eigh', l.inputs, l.outputs),
};

/**
 * Eigenvalues and eigenvectors of a symmetric matrix a, f64 [N, N], of which the lower triangle is read:
 * values [N] ascending, and vectors [N, N] whose row i belongs to value i, of length 1, its entry of largest
 * magnitude positive. Householder reduction and implicit QL; errors are a few rounding errors of the largest
 * eigenvalue. All NaN where a holds a number that is not finite.
 * @throws ShapeError unless a is square and not empty, DTypeError
 */
export function eigh(a: Tensor): { values: Tensor; vectors: Tensor } {
  const [values, vectors] = applyOp(eighOp, [a], null);
  return { values: values!, vectors: vectors! };
}

const spectralOp: OpRecord<null> = {
  name: 'spectral',
  bf16: 'f32',
  infer: ([vectors, scale]) => {
    checkDType('spectral', 'vectors', vectors!, 'f64');
    checkRank('spectral', 'vectors', vectors!, 2);
    checkDType('spectral', 'scale', scale!, 'f64');
    const [count, features] = vectors!.shape as [number, number];
    if (!sameShape(scale!.shape, [count]))
      throw new ShapeError(`spectral: scale must be [${count}], got ${formatShape(scale!.shape)}`);
    return [{ shape: [features, features], dtype: 'f32' }];
  },
  lower: (l) => l.call('spectral', l.inputs, l.outputs),
};

/**
 * V^T diag(scale) V as f32 [D, D], summed in float64: a function of a symmetric matrix by its eigenvectors.
 * vectors f64 [K, D], scale f64 [K].
 * @throws ShapeError, DTypeError
 */
export function spectral(vectors: Tensor, scale: Tensor): Tensor {
  return first(applyOp(spectralOp, [vectors, scale], null));
}

const projectOp: OpRecord<{ back: boolean }> = {
  name: 'project',
  bf16: 'f32',
  infer: ([x, components], { back }) => {
    checkDType('project', 'x', x!, 'f32');
    checkRank('project', 'x', x!, 2);
    checkDType('project', 'components', components!, 'f32');
    checkRank('project', 'components', components!, 2);
    const [count, features] = components!.shape as [number, number];
    const [from, to] = back ? [count, features] : [features, count];
    if (x!.shape[1] !== from)
      throw new ShapeError(`project: x must be [B, ${from}], got ${formatShape(x!.shape)}`);
    return [{ shape: [x!.shape[0]!, to], dtype: 'f32' }];
  },
  grad: ({ inputs: [x, components], grads: [dy], attrs: { back }, wanted }) => [
    wanted[0] ? project(dy!, components!, { back: !back }) : null,
    wanted[1] ? matmul(back ? x! : dy!, back ? dy! : x!, { transposeA: true }) : null,
  ],
  // In f32 in every precision: directions of little variance would drown in the rounding of bf16.
  lower: (l, { back }) => l.call('matmul', l.inputs, l.outputs, productAttrs({ transposeB: !back })),
};

/**
 * Coordinates of rows along fixed directions: x [B, D] times components [K, D] transposed, [B, K]; with
 * `back`, [B, K] to [B, D]. f32 in every precision.
 * @throws ShapeError, DTypeError, OptionError
 */
export function project(x: Tensor, components: Tensor, options: { back?: boolean } = {}): Tensor {
  checkKeys('project', options, ['back']);
  const back = bool('project', 'back', options.back ?? false);
  return first(applyOp(projectOp, [x, components], { back }));
}
