import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, testOp, type OpCase } from './support';

const shape = [2, 3, 5, 7];
const softplus = (x: number): number => Math.log1p(Math.exp(x));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

function pointwise(fn: OpCase['fn'], f: (x: number) => number): OpCase {
  const values = distinct(shape).map((x) => 5 * x);
  return { args: [{ shape, values }], fn, reference: (x) => x.map(f) };
}

testOp('activations', {
  mish: pointwise(ops.mish, (x) => x * Math.tanh(softplus(x))),
  selu: pointwise(ops.selu, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))),
  logSigmoid: pointwise(ops.logSigmoid, (x) => -softplus(-x)),
  softsign: pointwise(ops.softsign, (x) => x / (1 + Math.abs(x))),
  hardTanh: pointwise(
    (x) => ops.hardTanh(x, -2.01, 1.53),
    (x) => clamp(x, -2.01, 1.53),
  ),
  hardSigmoid: pointwise(ops.hardSigmoid, (x) => clamp(x + 3, 0, 6) / 6),
  hardSwish: pointwise(ops.hardSwish, (x) => (x * clamp(x + 3, 0, 6)) / 6),
  geluTanh: pointwise(
    ops.geluTanh,
    (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ),
  'prelu, one slope': {
    args: [{ shape, values: distinct(shape) }, { shape: [1] }],
    fn: ops.prelu,
    reference: (x, w) => x.map((v) => (v > 0 ? v : w[0]! * v)),
  },
  'prelu, a slope a channel': {
    args: [{ shape, values: distinct(shape) }, { shape: [3] }],
    fn: ops.prelu,
    reference: (x, w) => x.map((v, i) => (v > 0 ? v : w[Math.floor(i / 35) % 3]! * v)),
  },
  'prelu of a matrix': {
    args: [{ shape: [4, 3], values: distinct([4, 3]) }, { shape: [3] }],
    fn: ops.prelu,
    reference: (x, w) => x.map((v, i) => (v > 0 ? v : w[i % 3]! * v)),
  },
});

test('prelu rejects weights that do not fit', () => {
  expect(() => ops.prelu(tensor(new Float32Array(6), [2, 3]), tensor([1, 2]))).toThrow(
    'prelu: weight must be [1] or [3] for x [2, 3], got [2]',
  );
});
