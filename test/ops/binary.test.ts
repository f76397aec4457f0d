import { ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { broadcastShapes, type Shape } from '../../lib/tensor/shape';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, forEachIndex, numbers, testOp, type Numbers, type OpCase } from './support';

function broadcast(
  f: (a: number, b: number) => number,
  a: Shape,
  b: Shape,
): (x: Numbers, y: Numbers) => Numbers {
  const shape = broadcastShapes('test', a, b);
  const at = (values: Numbers, dims: Shape, index: readonly number[]): number => {
    const own = index.slice(index.length - dims.length);
    return values[own.reduce((linear, i, axis) => linear * dims[axis]! + (dims[axis] === 1 ? 0 : i), 0)]!;
  };
  return (x, y) => {
    const out = new Float64Array(shape.reduce((n, d) => n * d, 1));
    forEachIndex(shape, (index, linear) => (out[linear] = f(at(x, a, index), at(y, b, index))));
    return out;
  };
}

const shapes: readonly [Shape, Shape][] = [
  [
    [2, 3, 4, 5],
    [2, 3, 4, 5],
  ],
  [
    [2, 3, 4, 5],
    [3, 1, 1],
  ],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 1],
  ],
  [
    [3, 4, 5],
    [2, 1, 1, 5],
  ],
  [
    [2, 1, 2, 3, 2],
    [1, 2, 3, 2],
  ],
  [
    [2, 3, 2, 2],
    [2, 2, 1, 3, 1, 2],
  ],
  [
    [2, 3, 4, 5],
    [3, 4, 5],
  ],
  [
    [2, 3, 4, 5],
    [2, 1, 4, 1],
  ],
  [
    [4, 1],
    [1, 6],
  ],
  [[7], []],
  [[3, 17], [17]],
  [
    [3, 17],
    [3, 1],
  ],
];

function cases(
  fn: OpCase['fn'],
  f: (a: number, b: number) => number,
  second = (s: Shape) => numbers(s, 7),
): Record<string, OpCase> {
  return Object.fromEntries(
    shapes.map(([a, b]) => [
      `[${a}] and [${b}]`,
      {
        args: [{ shape: a }, { shape: b, values: second(b) }],
        fn,
        reference: broadcast(f, a, b),
      } satisfies OpCase,
    ]),
  );
}

testOp(
  'add',
  cases(ops.add, (a, b) => a + b),
);
testOp(
  'sub',
  cases(ops.sub, (a, b) => a - b),
);
testOp(
  'mul',
  cases(ops.mul, (a, b) => a * b),
);
testOp(
  'div',
  cases(
    ops.div,
    (a, b) => a / b,
    (s) => numbers(s, 7).map((x) => 2 + x),
  ),
);
// 0.371 keeps the second operand off the first one's values: no ties near a difference step.
testOp('maximum', {
  'one shape': {
    args: [
      { shape: [2, 3, 4, 5], values: distinct([2, 3, 4, 5]) },
      { shape: [3, 1, 1], values: Float64Array.of(0.0371, -0.371, 0.5371) },
    ],
    fn: ops.maximum,
    reference: broadcast(Math.max, [2, 3, 4, 5], [3, 1, 1]),
  },
});
testOp('minimum', {
  'one shape': {
    args: [
      { shape: [2, 3, 4, 5], values: distinct([2, 3, 4, 5]) },
      { shape: [3, 1, 1], values: Float64Array.of(0.0371, -0.371, 0.5371) },
    ],
    fn: ops.minimum,
    reference: broadcast(Math.min, [2, 3, 4, 5], [3, 1, 1]),
  },
});

describe('binary ops', () => {
  it('rejects shapes that do not broadcast, naming both', () => {
    expect(() => ops.add(tensor([1, 2, 3]), tensor([1, 2]))).toThrow(ShapeError);
    expect(() => ops.add(tensor([1, 2, 3]), tensor([1, 2]))).toThrow(
      'add: shapes [3] and [2] cannot be broadcast together',
    );
  });

  it('take numbers on either side', async () => {
    expect(Array.from(await ops.sub(1, tensor([1, 2])).data())).toEqual([0, -1]);
    expect(Array.from(await ops.mul(tensor([1, 2]), 3).data())).toEqual([3, 6]);
  });

  it('equal gives ones and zeros', async () => {
    expect(Array.from(await ops.equal(tensor([1, 2, NaN]), tensor([1, 3, NaN])).data())).toEqual([1, 0, 0]);
  });
});
