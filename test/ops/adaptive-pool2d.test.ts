import { DTypeError, OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, forEachIndex, testOp, type Numbers, type OpCase } from './support';

type Size = readonly [number, number, number, number];

/** PyTorch's definition of the windows, one output at a time. */
function naive(shape: Size, size: readonly [number, number], reduce: (window: number[]) => number) {
  const [n, c, h, w] = shape;
  const range = (i: number, count: number, length: number): [number, number] => [
    Math.floor((i * length) / count),
    Math.ceil(((i + 1) * length) / count),
  ];
  return (x: Numbers): number[] => {
    const y: number[] = [];
    forEachIndex([n, c, ...size], ([z, k, i, j]) => {
      const [[top, bottom], [left, right]] = [range(i!, size[0], h), range(j!, size[1], w)];
      const window: number[] = [];
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          window.push(x[((z! * c + k!) * h + row) * w + column]!);
      y.push(reduce(window));
    });
    return y;
  };
}

const mean = (window: number[]): number => window.reduce((a, b) => a + b, 0) / window.length;
const max = (window: number[]): number => Math.max(...window);

function cases(fn: (x: ops.AdaptiveSize) => OpCase['fn'], reduce: (window: number[]) => number) {
  const one = (shape: Size, size: ops.AdaptiveSize, result: readonly [number, number]): OpCase => ({
    args: [{ shape, values: distinct(shape) }],
    fn: fn(size),
    reference: naive(shape, result, reduce),
  });
  return {
    'overlapping windows': one([2, 3, 7, 5], [3, 4], [3, 4]),
    'sizes that divide': one([1, 2, 6, 8], [3, 2], [3, 2]),
    'one axis divides': one([1, 2, 6, 5], [3, 2], [3, 2]),
    'larger than the input': one([1, 2, 2, 3], [5, 7], [5, 7]),
    'from one pixel': one([2, 2, 1, 1], 3, [3, 3]),
    'to one pixel': one([2, 2, 5, 3], 1, [1, 1]),
    'null keeps an axis': one([1, 2, 4, 5], [null, 2], [4, 2]),
  };
}

testOp(
  'adaptiveAvgPool2d',
  cases((size) => (x) => ops.adaptiveAvgPool2d(x, size), mean),
);
testOp(
  'adaptiveMaxPool2d',
  cases((size) => (x) => ops.adaptiveMaxPool2d(x, size), max),
);

testOp('globalMaxPool2d', {
  'any size': {
    args: [{ shape: [2, 3, 5, 4], values: distinct([2, 3, 5, 4]) }],
    fn: ops.globalMaxPool2d,
    reference: naive([2, 3, 5, 4], [1, 1], max),
  },
});

test('bad operands and options', () => {
  const x = tensor(new Float32Array(16), [1, 1, 4, 4]);
  expect(() => ops.adaptiveAvgPool2d(x, 0)).toThrow(OptionError);
  expect(() => ops.adaptiveAvgPool2d(x, [2] as never)).toThrow('size must be a whole number');
  expect(() => ops.adaptiveMaxPool2d(x, 2.5)).toThrow('got 2.5');
  expect(() => ops.adaptiveMaxPool2d(tensor([1, 2]), 1)).toThrow(ShapeError);
  expect(() => ops.adaptiveAvgPool2d(tensor(new Uint8Array(4), [1, 1, 2, 2]), 1)).toThrow(DTypeError);
});
