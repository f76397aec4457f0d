import { DTypeError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { numbers, testOp } from './support';

const shape = [3, 5];
const probabilities = numbers(shape, 1).map((x) => 0.5 + 0.4 * x);
const targets = numbers(shape, 2).map((x) => 0.5 + 0.5 * x);
const logits = numbers(shape, 3).map((x) => 6 * x);
const loss = (p: number, t: number): number => -(t * Math.log(p) + (1 - t) * Math.log1p(-p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

testOp('binaryCrossEntropy', {
  probabilities: {
    args: [
      { shape, values: probabilities },
      { shape, values: targets },
    ],
    fn: ops.binaryCrossEntropy,
    reference: (p, t) => p.map((v, i) => loss(v, t[i]!)),
    differentiate: [0],
  },
  logits: {
    args: [
      { shape, values: logits },
      { shape, values: targets },
    ],
    fn: (x, t) => ops.binaryCrossEntropyWithLogits(x, t),
    reference: (x, t) => x.map((v, i) => loss(sigmoid(v), t[i]!)),
    differentiate: [0],
  },
  'positive weights': {
    args: [
      { shape, values: logits },
      { shape, values: targets },
      { shape: [5], values: numbers([5]).map((x) => 2 + x) },
    ],
    fn: (x, t, w) => ops.binaryCrossEntropyWithLogits(x, t, w),
    reference: (x, t, w) =>
      x.map((v, i) => w[i % 5]! * t[i]! * Math.log1p(Math.exp(-v)) + (1 - t[i]!) * Math.log1p(Math.exp(v))),
    differentiate: [0],
  },
});

test('the ends of the range, as in PyTorch', async () => {
  const run = compile((x: Tensor, t: Tensor) => {
    const each = ops.binaryCrossEntropyWithLogits(x, t);
    return [each, grad(ops.sum(each), [x])[0]!];
  });
  const [value, slope] = await run(tensor([0, 200, 200, -200]), tensor([1, 1, 0, 1]));
  expect([...(await value!.data())]).toEqual([Math.fround(Math.LN2), 0, 200, 200]);
  expect([...(await slope!.data())]).toEqual([-0.5, 0, 1, -1]);
  const ends = ops.binaryCrossEntropy(tensor([0, 0, 1, 1, 1.5]), tensor([0, 1, 0, 1, 1]));
  expect(Array.from(await ends.data(), (v) => v + 0)).toEqual([0, 100, 100, 0, NaN]);
});

test('bad operands', () => {
  expect(() => ops.binaryCrossEntropy(tensor([1, 2]), tensor([1]))).toThrow(ShapeError);
  expect(() => ops.binaryCrossEntropyWithLogits(tensor([1, 2]), tensor([1]))).toThrow(
    'binary_cross_entropy_with_logits: x [2] and target [1] must have one shape',
  );
  expect(() => ops.binaryCrossEntropy(tensor([1]), tensor(Int32Array.of(1)))).toThrow(DTypeError);
});
