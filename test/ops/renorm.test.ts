import * as ops from '../../lib/ops';
import { runtimeScalar, tensor } from '../../lib/tensor/tensor';
import { testOp } from './support';

const limit = runtimeScalar(() => 0.9);

/** Rows of `length` elements. */
const byHand =
  (length: number) =>
  (w: Float64Array): Float64Array =>
    w.map((v, i) => {
      const from = i - (i % length);
      const norm = Math.sqrt(w.slice(from, from + length).reduce((sum, x) => sum + x * x, 0));
      return norm > 0.9 ? (v * 0.9) / (norm + 1e-7) : v;
    });

testOp('renorm', {
  matrix: {
    args: [{ shape: [7, 5] }],
    fn: (w) => ops.renorm(w, limit),
    reference: byHand(5),
    differentiate: [],
  },
  'rows longer than a block': {
    args: [{ shape: [2, 1301] }],
    fn: (w) => ops.renorm(w, limit),
    reference: byHand(1301),
    differentiate: [],
  },
  'convolution weight': {
    args: [{ shape: [4, 3, 2, 2] }],
    fn: (w) => ops.renorm(w, limit),
    reference: byHand(12),
    differentiate: [],
  },
});

it('PyTorch: torch.tensor([[3., 4.], [0.3, 0.4]]).renorm(2, 0, 1)', async () => {
  const one = runtimeScalar(() => 1);
  const y = await ops.renorm(tensor([3, 4, 0.3, 0.4], [2, 2]), one).data();
  [0.6, 0.8, 0.3, 0.4].forEach((v, i) => expect(Math.abs(y[i]! - v)).toBeLessThan(1e-7));
});

it('renorm refuses what it cannot take', () => {
  expect(() => ops.renorm(tensor(1), limit)).toThrow(/w must have rank/);
  expect(() => ops.renorm(tensor(new Int32Array([1])), limit)).toThrow(/w must be f32/);
});
