import { ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { forEachIndex, testOp, type Numbers } from './support';

const same = (x: Numbers): Numbers => x;

function permuted(shape: readonly number[], axes: readonly number[]): (x: Numbers) => Numbers {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((n, d) => n * d, 1));
  return (x) => {
    const out = new Float64Array(x.length);
    forEachIndex(
      axes.map((a) => shape[a]!),
      (index, linear) => {
        out[linear] = x[index.reduce((n, i, axis) => n + i * strides[axes[axis]!]!, 0)]!;
      },
    );
    return out;
  };
}

testOp('reshape', {
  'rank 4 to 2 keeps N, C, H, W order': {
    args: [{ shape: [2, 3, 4, 5] }],
    fn: (x) => ops.flatten(x),
    reference: same,
  },
  'rank 2 to 4': { args: [{ shape: [2, 60] }], fn: (x) => ops.reshape(x, [2, 3, 4, 5]), reference: same },
  'rank 4 to 4': {
    args: [{ shape: [2, 3, 4, 5] }],
    fn: (x) => ops.reshape(x, [5, 4, 3, 2]),
    reference: same,
  },
  'rank 3 to 1, inferred': { args: [{ shape: [2, 3, 4] }], fn: (x) => ops.reshape(x, [-1]), reference: same },
});

testOp('permute', {
  'N, C, H, W to W, N, H, C': {
    args: [{ shape: [2, 3, 4, 5] }],
    fn: (x) => ops.permute(x, [3, 0, 2, 1]),
    reference: permuted([2, 3, 4, 5], [3, 0, 2, 1]),
  },
  'rank 3': {
    args: [{ shape: [2, 3, 4] }],
    fn: (x) => ops.permute(x, [2, 0, 1]),
    reference: permuted([2, 3, 4], [2, 0, 1]),
  },
  transpose: { args: [{ shape: [37, 19] }], fn: ops.transpose, reference: permuted([37, 19], [1, 0]) },
});

testOp('concat', {
  'channels of images': {
    args: [{ shape: [2, 3, 2, 2] }, { shape: [2, 1, 2, 2] }, { shape: [2, 2, 2, 2] }],
    fn: (...x) => ops.concat(x, 1),
    reference: (a, b, c) =>
      Float64Array.of(
        ...a.slice(0, 12),
        ...b.slice(0, 4),
        ...c.slice(0, 8),
        ...a.slice(12),
        ...b.slice(4),
        ...c.slice(8),
      ),
  },
  rows: {
    args: [{ shape: [2, 3] }, { shape: [1, 3] }],
    fn: (...x) => ops.concat(x),
    reference: (a, b) => Float64Array.of(...a, ...b),
  },
});

testOp('slice and pad', {
  slice: {
    args: [{ shape: [2, 3, 4, 5] }],
    fn: (x) => ops.slice(x, [1, 0, 1, 2], [1, 2, 3, 2]),
    reference: (x) => {
      const out: number[] = [];
      forEachIndex([1, 2, 3, 2], ([n, c, h, w]) =>
        out.push(x[(((n! + 1) * 3 + c!) * 4 + h! + 1) * 5 + w! + 2]!),
      );
      return out;
    },
  },
  pad: {
    args: [{ shape: [1, 2, 2, 3] }],
    fn: (x) => ops.pad(x, [0, 1, 2, 0], [1, 3, 5, 4], 0.5),
    reference: (x) => {
      const out = new Float64Array(60).fill(0.5);
      forEachIndex([1, 2, 2, 3], ([, c, h, w], i) => (out[((c! + 1) * 5 + h! + 2) * 4 + w!] = x[i]!));
      return out;
    },
  },
});

testOp('broadcastTo', {
  'channel values over images': {
    args: [{ shape: [3, 1, 1] }],
    fn: (x) => ops.broadcastTo(x, [2, 3, 2, 2], 2),
    reference: (x) => Float64Array.from({ length: 24 }, (_, i) => 2 * x[Math.floor(i / 4) % 3]!),
  },
});

describe('shape ops', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  it('reject what does not fit', () => {
    expect(() => ops.reshape(x, [4])).toThrow('reshape: [2, 3] has 6 elements, which [4] cannot hold');
    expect(() => ops.reshape(x, [-1, -1])).toThrow(ShapeError);
    expect(() => ops.reshape(x, [-1, 4])).toThrow(ShapeError);
    expect(() => ops.permute(x, [0, 0])).toThrow(ShapeError);
    expect(() => ops.concat([x, tensor([1], [1, 1])])).toThrow(ShapeError);
    expect(() => ops.concat([])).toThrow(ShapeError);
    expect(() => ops.concat([x], 9)).toThrow(ShapeError);
    expect(() => ops.slice(x, [0, 2], [2, 2])).toThrow(ShapeError);
    expect(() => ops.pad(x, [1, 0], [2, 3])).toThrow(ShapeError);
    expect(() => ops.broadcastTo(x, [2, 4])).toThrow(ShapeError);
  });
});
