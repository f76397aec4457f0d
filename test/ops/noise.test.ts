/**
 * Gaussian noise and dropped connections: gradients, distribution, and that draws are functions
 * of their place.
 */
import { compile } from '../../lib/compile/compile';
import * as ops from '../../lib/ops';
import { RandomState } from '../../lib/random';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { testOp } from './support';

const half = runtimeScalar(() => 0.5);
const third = runtimeScalar(() => 1 / 3);

testOp('gaussian_noise', {
  added: { args: [{ shape: [3, 33] }], fn: (x) => ops.gaussianNoise(x, half), seed: 1 },
  multiplied: {
    args: [{ shape: [2, 3, 4, 5] }],
    fn: (x) => ops.gaussianNoise(x, half, { scaled: true }),
    seed: 2,
  },
  'of a weight': { args: [{ shape: [4, 5] }], fn: (w) => ops.weightNoise(w, half), seed: 3 },
  'of no size': {
    args: [{ shape: [3, 4] }],
    fn: (x) =>
      ops.gaussianNoise(
        x,
        runtimeScalar(() => 0),
      ),
    reference: (x) => x,
  },
});

testOp('drop_connect', {
  'a mask for each example': {
    args: [{ shape: [3, 7] }, { shape: [5, 7] }, { shape: [5] }],
    fn: (x, w, b) => ops.dropConnectLinear(x, w, b, third),
    seed: 4,
  },
  'more axes, no bias': {
    args: [{ shape: [2, 3, 7] }, { shape: [5, 7] }],
    fn: (x, w) => ops.dropConnectLinear(x, w, undefined, half),
    seed: 5,
  },
  'nothing dropped is linear': {
    args: [{ shape: [2, 3] }, { shape: [2, 3] }, { shape: [2] }],
    fn: (x, w, b) =>
      ops.dropConnectLinear(
        x,
        w,
        b,
        runtimeScalar(() => 0),
      ),
    reference: (x, w, b) =>
      [0, 1].flatMap((n) =>
        [0, 1].map((o) => b[o]! + [0, 1, 2].reduce((sum, i) => sum + x[3 * n + i]! * w[3 * o + i]!, 0)),
      ),
    seed: 6,
  },
  'a mask for each step, of a convolution': {
    args: [{ shape: [2, 3, 4, 4] }, { shape: [2, 3, 3, 3] }],
    fn: (x, w) => ops.conv2d(x, ops.dropConnect(w, third)),
    seed: 7,
  },
});

describe('gaussian noise', () => {
  const zeros = tensor(new Float32Array(1 << 16), [256, 256]);
  const drawn = (random: RandomState): Float32Array =>
    compile((x: Tensor) => ops.gaussianNoise(x, half), { random })
      .runSync(zeros)
      .dataSync() as Float32Array;

  it('has the moments and the quantiles of its distribution', () => {
    const z = Float64Array.from(drawn(new RandomState(1)), (v) => v / 0.5);
    const n = z.length;
    const moment = (k: number): number => z.reduce((sum, v) => sum + v ** k, 0) / n;
    // Four standard errors: those of the k-th moment are sqrt((2k)!! - (k!!)^2) / sqrt(n).
    expect(Math.abs(moment(1))).toBeLessThan(4 / 256);
    expect(Math.abs(moment(2) - 1)).toBeLessThan((4 * Math.sqrt(2)) / 256);
    expect(Math.abs(moment(3))).toBeLessThan((4 * Math.sqrt(15)) / 256);
    expect(Math.abs(moment(4) - 3)).toBeLessThan((4 * Math.sqrt(96)) / 256);
    z.sort();
    for (const [share, quantile] of [
      [0.01, -2.326348],
      [0.25, -0.6744898],
      [0.9, 1.2815516],
      [0.999, 3.0902323],
    ] as const) {
      const below = z.findIndex((v) => v > quantile) / n;
      expect(Math.abs(below - share)).toBeLessThan((4 * Math.sqrt(share * (1 - share))) / 256);
    }
  });

  it('is a function of seed and step', () => {
    const first = drawn(new RandomState(1));
    expect(drawn(new RandomState(1))).toEqual(first);
    expect(drawn(new RandomState(2))).not.toEqual(first);
    const later = new RandomState(1);
    later.step = 1;
    expect(drawn(later)).not.toEqual(first);
  });

  it('refuses what is not f32, and unknown options', () => {
    expect(() => ops.gaussianNoise(tensor(new Int32Array([1])), half)).toThrow(/x must be f32/);
    expect(() => ops.gaussianNoise(tensor([1]), half, { scale: true } as never)).toThrow('"scaled"');
    expect(() => ops.dropConnect(tensor(new Int32Array([1])), half)).toThrow(/weight must be f32/);
    const [x, w] = [tensor([1, 2], [1, 2]), tensor([1, 2, 3], [1, 3])];
    expect(() => ops.dropConnectLinear(x, w, undefined, half)).toThrow(/expects 3 input features/);
  });
});
