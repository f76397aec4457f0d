import { DTypeError, ShapeError } from '../../lib/errors';
import { masked } from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { distinct, testOp } from './support';

const shape = [2, 3, 5, 7];
const keep = Float32Array.from({ length: 210 }, (_, i) => Number(i % 3 !== 1));

testOp('masked', {
  'every third dropped': {
    args: [{ shape, values: distinct(shape) }],
    fn: (x: Tensor) => masked(x, tensor(keep, shape)),
    reference: (x) => x.map((v, i) => (keep[i]! > 0 ? v : 0)),
  },
});

it('masked gives zeros of positive sign, also for what is not finite', async () => {
  const y = await masked(tensor([-1, NaN, -Infinity, -2]), tensor([0, 0, 0, 1])).data();
  expect(Array.from(y, (v) => [v, 1 / v])).toEqual([
    [0, Infinity],
    [0, Infinity],
    [0, Infinity],
    [-2, -0.5],
  ]);
});

it('masked rejects other shapes and integers', () => {
  expect(() => masked(tensor([1, 2]), tensor([1]))).toThrow(ShapeError);
  expect(() => masked(tensor([1]), tensor(new Int32Array([1])))).toThrow(DTypeError);
});
