/** Gram-Schmidt: orthonormal rows or columns, for initial weights. */
import { applyOp, first, type OpRecord } from '../graph/op';
import { ShapeError } from '../errors';
import { finite } from '../options';
import { formatShape, numel } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType } from './checks';

const orthonormalOp: OpRecord<{ readonly gain: number }> = {
  name: 'orthonormal',
  bf16: 'f32',
  infer: ([x]) => {
    checkDType('orthonormal', 'x', x!, 'f32');
    if (x!.rank < 2)
      throw new ShapeError(`orthonormal: x must have rank 2 or more, got ${formatShape(x!.shape)}`);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // In memory the axes behind the first may have another order, which changes no product of two rows, nor
  // whether columns are orthogonal.
  lower: (l, { gain }) => {
    const { shape } = l.inputTypes[0]!;
    const dims = [shape[0]!, numel(shape.slice(1))];
    const matrix = (operand: (typeof l.inputs)[number]) => l.view(operand, dims);
    l.call('orthonormal', l.inputs.map(matrix), l.outputs.map(matrix), { gain });
  },
};

/**
 * The matrix [first axis, all others] of x with its rows made orthonormal, by the Gram-Schmidt process in
 * double precision, times `gain`; its columns where it has more rows than columns. The result has the shape
 * of x, f32. NaN where a row is a sum of multiples of those before it. No gradient.
 * @throws ShapeError below rank 2, DTypeError, OptionError
 */
export function orthonormal(x: Tensor, gain = 1): Tensor {
  return first(applyOp(orthonormalOp, [x], { gain: finite('orthonormal', 'gain', gain) }));
}
