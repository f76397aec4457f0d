import { ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as ops from '../../lib/ops';
import type { Shape } from '../../lib/tensor/shape';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { distinct, forEachIndex, testOp, type Numbers, type OpCase } from './support';

function reduced(
  shape: Shape,
  axes: readonly number[],
  start: number,
  f: (a: number, b: number) => number,
): (x: Numbers) => Numbers {
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return (x) => {
    const out = new Float64Array(kept.reduce((n, d) => n * d, 1)).fill(start);
    forEachIndex(shape, (index, linear) => {
      const at = index.reduce((n, i, axis) => n * kept[axis]! + (axes.includes(axis) ? 0 : i), 0);
      out[at] = f(out[at]!, x[linear]!);
    });
    return out;
  };
}

const cases: readonly [Shape, readonly number[]][] = [
  [
    [2, 3, 4, 5],
    [0, 1, 2, 3],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 3],
  ],
  [
    [2, 3, 4, 5],
    [2, 3],
  ],
  [[2, 3, 4, 5], [1]],
  [[2, 19, 3, 3], [0]],
  [[6, 7], [0]],
  [[6, 37], [1]],
  [[300], [0]],
];

function table(make: (shape: Shape, axes: readonly number[]) => OpCase): Record<string, OpCase> {
  return Object.fromEntries(cases.map(([shape, axes]) => [`[${shape}] over ${axes}`, make(shape, axes)]));
}

testOp(
  'sum',
  table((shape, axes) => ({
    args: [{ shape }],
    fn: (x) => ops.sum(x, { axes }),
    reference: reduced(shape, axes, 0, (a, b) => a + b),
  })),
);

testOp(
  'mean',
  table((shape, axes) => {
    const count = axes.reduce((n, a) => n * shape[a]!, 1);
    const total = reduced(shape, axes, 0, (a, b) => a + b);
    return {
      args: [{ shape }],
      fn: (x) => ops.mean(x, { axes, keepDims: true }),
      reference: (x) => total(x).map((v) => v / count),
    };
  }),
);

testOp(
  'max',
  table((shape, axes) => ({
    args: [{ shape, values: distinct(shape) }],
    fn: (x) => ops.max(x, { axes }),
    reference: reduced(shape, axes, -Infinity, Math.max),
  })),
);

testOp('sumSquares', {
  'several tensors': {
    args: [{ shape: [2, 3] }, { shape: [70] }, { shape: [1, 2, 3, 4] }],
    fn: (...x) => ops.sumSquares(x),
    reference: (...x) => [x.reduce((n, v) => n + v.reduce((m, e) => m + e * e, 0), 0)],
  },
});

describe('reductions', () => {
  it('max shares a gradient among ties, as amax', async () => {
    const g = compile((x: Tensor) => grad(ops.max(x), [x])[0]!);
    expect(Array.from(await (await g(tensor([1, 3, 3, 2]))).data())).toEqual([0, 0.5, 0.5, 0]);
  });

  it('argmax takes the lowest index of ties, along any axis', async () => {
    expect(Array.from(await ops.argmax(tensor([1, 3, 3, 0, 5, 5], [2, 3])).data())).toEqual([1, 1]);
    expect(Array.from(await ops.argmax(tensor([1, 3, 3, 0, 5, 5], [2, 3]), 0).data())).toEqual([0, 1, 1]);
    const planes = tensor([1, 2, 3, 4, 9, 1, 1, 9], [1, 2, 2, 2]);
    expect(Array.from(await ops.argmax(planes, 1).data())).toEqual([1, 0, 0, 1]);
  });

  it('an empty mean and a bad axis are errors', () => {
    expect(() => ops.mean(tensor([], [0, 2]), { axes: 0 })).toThrow(ShapeError);
    expect(() => ops.sum(tensor([1]), { axes: 1 })).toThrow(ShapeError);
    for (const reduce of [ops.sum, ops.mean, ops.max]) {
      expect(() => reduce(tensor([1]), [0] as never)).toThrow('options must be an object');
      expect(() => reduce(tensor([1]), { axis: 0 } as never)).toThrow('did you mean "axes"?');
    }
  });
});
