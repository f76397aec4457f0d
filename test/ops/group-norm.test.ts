import { OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as ops from '../../lib/ops';
import { numel, type Shape } from '../../lib/tensor/shape';
import { withTarget } from '../../lib/tensor/target';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { expectClose, numbers, testOp, type Numbers, type OpCase } from './support';

const eps = 1e-3;

/**
 * Normalizes sets of elements: `setOf(i)` is element i's set, `parameterOf(i)` the index of its
 * gamma and beta.
 */
function normalized(
  x: Numbers,
  setOf: (i: number) => number,
  parameterOf: (i: number) => number,
  gamma?: Numbers,
  beta?: Numbers,
): Numbers {
  const sets = new Map<number, number[]>();
  x.forEach((v, i) => sets.set(setOf(i), [...(sets.get(setOf(i)) ?? []), v]));
  const statistics = new Map(
    [...sets].map(([key, values]) => {
      const mean = values.reduce((a, b) => a + b) / values.length;
      return [key, { mean, variance: values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length }];
    }),
  );
  return x.map((v, i) => {
    const { mean, variance } = statistics.get(setOf(i))!;
    const c = parameterOf(i);
    return ((v - mean) / Math.sqrt(variance + eps)) * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0);
  });
}

function groupCases(shape: Shape, groups: number): Record<string, OpCase> {
  const channels = shape[1]!;
  const plane = numel(shape.slice(2));
  const setOf = (i: number): number => Math.floor(i / ((plane * channels) / groups));
  const channelOf = (i: number): number => Math.floor(i / plane) % channels;
  return {
    affine: {
      args: [{ shape }, { shape: [channels] }, { shape: [channels] }],
      fn: (x, gamma, beta) => ops.groupNorm(x, groups, { gamma: gamma, beta: beta, eps }),
      reference: (x, gamma, beta) => normalized(x, setOf, channelOf, gamma, beta),
    },
    plain: {
      args: [{ shape }],
      fn: (x) => ops.groupNorm(x, groups, { eps }),
      reference: (x) => normalized(x, setOf, channelOf),
    },
  };
}

for (const [shape, groups] of [
  [[3, 6], 2],
  [[2, 40], 1],
  [[2, 6, 5], 3],
  [[2, 6, 3, 2], 6],
  [[2, 6, 3, 2], 1],
  [[2, 34, 3, 2], 2],
  [[1, 2, 33, 33], 2],
] as [Shape, number][]) {
  // Central differences of the largest shape would take minutes; it is here for its blocks.
  const cases = Object.entries(groupCases(shape, groups)).map(([name, c]): [string, OpCase] => [
    name,
    numel(shape) > 1000 ? { ...c, differentiate: [] } : c,
  ]);
  testOp(`groupNorm [${shape}] in ${groups}`, Object.fromEntries(cases));
}

function layerCase(shape: Shape, last: number): OpCase {
  const over = shape.slice(shape.length - last);
  const size = numel(over);
  return {
    args: [{ shape }, { shape: over }, { shape: over }],
    fn: (x, gamma, beta) => ops.layerNorm(x, over, { gamma: gamma, beta: beta, eps }),
    reference: (x, gamma, beta) =>
      normalized(
        x,
        (i) => Math.floor(i / size),
        (i) => i % size,
        gamma,
        beta,
      ),
  };
}

testOp('layerNorm', {
  'rows of a matrix': layerCase([5, 7], 1),
  'a whole matrix': layerCase([3, 5], 2),
  'the last axis of rank 3': layerCase([2, 3, 19], 1),
  'two axes of rank 3': layerCase([2, 3, 5], 2),
  images: layerCase([2, 3, 4, 5], 3),
  'planes of images': layerCase([2, 3, 4, 5], 2),
  'rows of images': layerCase([2, 3, 4, 5], 1),
  'a whole batch of images': layerCase([2, 3, 2, 2], 4),
  'four axes of rank 5': layerCase([2, 2, 3, 2, 3], 4),
  'four axes of rank 6': layerCase([1, 2, 2, 3, 1, 2], 4),
  'gamma only': {
    args: [{ shape: [4, 6] }, { shape: [6] }],
    fn: (x, gamma) => ops.layerNorm(x, [6], { gamma: gamma, eps }),
  },
});

testOp('instanceNorm', {
  images: {
    args: [{ shape: [2, 3, 4, 5] }, { shape: [3] }, { shape: [3] }],
    fn: (x, gamma, beta) => ops.instanceNorm(x, { gamma: gamma, beta: beta, eps }),
    reference: (x, gamma, beta) =>
      normalized(
        x,
        (i) => Math.floor(i / 20),
        (i) => Math.floor(i / 20) % 3,
        gamma,
        beta,
      ),
  },
});

testOp('standardizeWeights', {
  'of a convolution': {
    args: [{ shape: [4, 3, 2, 3] }],
    fn: (w) => ops.standardizeWeights(w, eps),
    reference: (w) =>
      normalized(
        w,
        (i) => Math.floor(i / 18),
        () => 0,
      ),
  },
});

describe('group norm', () => {
  const statistics = (x: Numbers): { mean: number; std: number } => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    return { mean, std: Math.sqrt(x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length) };
  };

  it('with gamma = sigma and beta = mu is the identity', () => {
    withTarget('ref', () => {
      const values = numbers([1, 24]).map((v) => 3 + 2 * v);
      const { mean, std } = statistics(values);
      const of = (value: number, n: number): Tensor => tensor(new Float64Array(n).fill(value), [n]);
      const tiny = 1e-12;
      const image = tensor(values, [1, 2, 3, 4]);
      const column = tensor(values, [24, 1]);
      const whole = { gamma: of(std, 2), beta: of(mean, 2), eps: tiny };
      const halves = [0, 1].map((c) => statistics(values.slice(12 * c, 12 * c + 12)));
      const perChannel = {
        gamma: tensor(Float64Array.from(halves, (s) => s.std)),
        beta: tensor(Float64Array.from(halves, (s) => s.mean)),
        eps: tiny,
      };
      for (const y of [
        ops.groupNorm(image, 1, whole),
        ops.instanceNorm(image, perChannel),
        ops.layerNorm(tensor(values, [1, 24]), [24], { gamma: of(std, 24), beta: of(mean, 24), eps: tiny }),
        ops.batchNormTrain(column, of(std, 1), of(mean, 1), tiny).y,
      ]) {
        expectClose(y.dataSync(), values, 1e-10, 'the input');
      }
    });
  });

  it('gives beta, and finite gradients, where all values are equal', () => {
    const run = compile((x: Tensor, g: Tensor, b: Tensor) => {
      const y = ops.groupNorm(x, 2, { gamma: g, beta: b });
      return [y, ...grad(ops.sum(ops.square(y)), [x, g, b])];
    });
    const args = [
      tensor(new Float32Array(2 * 4 * 9).fill(0.5), [2, 4, 3, 3]),
      tensor([1, 2, 3, 4]),
      tensor([5, 6, 7, 8]),
    ] as const;
    const [y, ...gradients] = run.runSync(...args).map((t) => [...t.dataSync()]);
    expect(y).toEqual(Array.from({ length: 72 }, (_, i) => 5 + (Math.floor(i / 9) % 4)));
    expect(gradients.flat().every(Number.isFinite)).toBe(true);
  });

  it('keeps its digits at mean / std = 100', () => {
    const x = Float32Array.from(numbers([4, 8, 40, 40]), (v) => 100 + v);
    for (const groups of [1, 8]) {
      const run = (): ArrayLike<number> =>
        compile((t: Tensor) => ops.groupNorm(t, groups))
          .runSync(tensor(x, [4, 8, 40, 40]))
          .dataSync();
      expectClose(run(), withTarget('ref', run), 5e-5, `${groups} groups`);
    }
  });

  it('rejects what cannot be normalized', () => {
    const image = tensor(new Float32Array(24), [2, 3, 2, 2]);
    expect(() => ops.groupNorm(image, 2)).toThrow('group_norm: 3 channels cannot be split into 2 groups');
    expect(() => ops.groupNorm(image, 0)).toThrow(OptionError);
    expect(() => ops.groupNorm(image, 3, { eps: 0 })).toThrow(OptionError);
    expect(() => ops.groupNorm(image, 3, { gamma: tensor([1, 2]) })).toThrow('gamma must be [3]');
    expect(() => ops.groupNorm(tensor([1, 2]), 1)).toThrow(ShapeError);
    expect(() => ops.layerNorm(image, [3, 2])).toThrow('layer_norm: x must end in [3, 2], got [2, 3, 2, 2]');
    expect(() => ops.layerNorm(image, [])).toThrow(ShapeError);
    for (const rows of [2, 0])
      expect(() => ops.layerNorm(tensor(new Float32Array(0), [rows, 0]), [0])).toThrow(
        'no values to normalize',
      );
    for (const shape of [2, undefined, 'x'])
      expect(() => ops.layerNorm(image, shape as never)).toThrow('layer_norm: a shape must be an array');
    expect(() => ops.instanceNorm(tensor([1, 2], [1, 2, 1, 1]))).toThrow('more than one value per channel');
  });
});

it('layer norm of a million values keeps their digits', async () => {
  const n = 1_000_000;
  const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i * i) + 1);
  const mean = x.reduce((a, v) => a + v / n, 0);
  const variance = x.reduce((a, v) => a + (v - mean) ** 2 / n, 0);
  const exact = Float64Array.from(x, (v) => (v - mean) / Math.sqrt(variance + 1e-5));
  const y = await ops.layerNorm(tensor(x, [1, n]), [n]).data();
  const [errors, squares] = [
    exact.reduce((a, v, i) => a + (v - y[i]!) ** 2, 0),
    exact.reduce((a, v) => a + v * v, 0),
  ];
  expect(Math.sqrt(errors / squares)).toBeLessThan(3e-7);
});
