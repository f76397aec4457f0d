import { DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { orthonormal } from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { testOp } from './support';

/** The modified Gram-Schmidt process: each vector loses what the one before it explains of it, in turn. */
function gramSchmidt(x: Float64Array, rows: number, columns: number): Float64Array {
  const byRows = rows <= columns;
  const [count, length] = byRows ? [rows, columns] : [columns, rows];
  const place = (i: number, k: number): number => (byRows ? i * columns + k : k * columns + i);
  const y = x.slice();
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      let dot = 0;
      for (let k = 0; k < length; k++) dot += y[place(i, k)]! * y[place(j, k)]!;
      for (let k = 0; k < length; k++) y[place(i, k)]! -= dot * y[place(j, k)]!;
    }
    let square = 0;
    for (let k = 0; k < length; k++) square += y[place(i, k)]! ** 2;
    for (let k = 0; k < length; k++) y[place(i, k)]! /= Math.sqrt(square);
  }
  return y;
}

testOp('orthonormal', {
  rows: {
    args: [{ shape: [3, 5] }],
    fn: (x) => orthonormal(x),
    reference: (x) => gramSchmidt(x, 3, 5),
    differentiate: [],
  },
  'columns, times a gain': {
    args: [{ shape: [11, 4] }],
    fn: (x) => orthonormal(x, 2),
    reference: (x) => gramSchmidt(x, 11, 4).map((v) => 2 * v),
    differentiate: [],
  },
  'the rows of a convolution': {
    args: [{ shape: [3, 2, 2, 2] }],
    fn: (x) => orthonormal(x),
    reference: (x) => gramSchmidt(x, 3, 8),
    differentiate: [],
  },
});

it('refuses what is not a matrix of floats, and a gain that is not a number', () => {
  expect(() => orthonormal(tensor([1, 2]))).toThrow(ShapeError);
  expect(() => orthonormal(tensor(new Int32Array(4), [2, 2]))).toThrow(DTypeError);
  expect(() => orthonormal(tensor([1, 2, 3, 4], [2, 2]), NaN)).toThrow(OptionError);
});
