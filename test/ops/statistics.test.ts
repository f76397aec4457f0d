import { DTypeError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { assign } from '../../lib/graph/trace';
import { columnMoments, covariance, eigh, project, spectral } from '../../lib/ops';
import { persistent, tensor, zeros } from '../../lib/tensor/tensor';
import { expectClose, numbers, testOp } from './support';

testOp('project', {
  forth: {
    args: [{ shape: [5, 4] }, { shape: [3, 4] }],
    fn: (x, v) => project(x, v),
    reference: (x, v) =>
      Array.from({ length: 15 }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < 4; k++) sum += x[Math.floor(i / 3) * 4 + k]! * v[(i % 3) * 4 + k]!;
        return sum;
      }),
  },
  back: {
    args: [{ shape: [5, 3] }, { shape: [3, 4] }],
    fn: (x, v) => project(x, v, { back: true }),
    reference: (x, v) =>
      Array.from({ length: 20 }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < 3; k++) sum += x[Math.floor(i / 4) * 3 + k]! * v[k * 4 + (i % 4)]!;
        return sum;
      }),
  },
});

const rows = 7;
const features = 3;
const x = Float32Array.from(numbers([rows, features]));
const shift = Float64Array.from(numbers([features], 2));

function sumOver(f: (row: number) => number): number {
  return Array.from({ length: rows }, (_, r) => f(r)).reduce((a, b) => a + b, 0);
}
const centred = (r: number, i: number): number => x[r * features + i]! - shift[i]!;

it('adds up over runs, in f64', async () => {
  const [moments, products] = [zeros([features], 'f64'), zeros([features, features], 'f64')];
  const about = persistent(shift, [features], 'f64');
  const step = compile(() => {
    const batch = tensor(x, [rows, features]);
    assign(moments, columnMoments(moments, batch, about, 2));
    assign(products, covariance(products, batch, about));
    return {};
  });
  for (let i = 0; i < 3; i++) await step();
  const [squares, lower] = [await moments.data(), await products.data()];
  for (let i = 0; i < features; i++) {
    expect(squares[i]).toBeCloseTo(3 * sumOver((r) => centred(r, i) ** 2), 13);
    for (let j = 0; j <= i; j++)
      expect(lower[i * features + j]).toBeCloseTo(3 * sumOver((r) => centred(r, i) * centred(r, j)), 13);
  }
});

it('eigh and spectral put a symmetric matrix together again', async () => {
  const n = 9;
  const a = numbers([n, n]).map((_, i, all) => all[Math.max(i, (i % n) * n + Math.floor(i / n))]!);
  const { values, vectors } = await compile(() => eigh(persistent(a, [n, n], 'f64')))();
  const ascending = Array.from(await values.data());
  expect(ascending).toEqual([...ascending].sort((p, q) => p - q));
  const trace = Array.from({ length: n }, (_, i) => a[i * n + i]!).reduce((p, q) => p + q, 0);
  expect(ascending.reduce((p, q) => p + q, 0)).toBeCloseTo(trace, 13);
  const v = persistent(await vectors.data(), [n, n], 'f64');
  const again = spectral(v, persistent(await values.data(), [n], 'f64'));
  expectClose(await again.data(), a, 1e-7, 'V^T diag(values) V');
});

it('refuses operands that do not fit', () => {
  const f64 = (...shape: number[]) => zeros(shape, 'f64');
  expect(() => columnMoments(f64(3), zeros([2, 3]), f64(2), 1)).toThrow(ShapeError);
  expect(() => columnMoments(f64(2), zeros([2, 3]), f64(3), 1)).toThrow(ShapeError);
  expect(() => columnMoments(zeros([3]), zeros([2, 3]), f64(3), 1)).toThrow(DTypeError);
  expect(() => covariance(f64(3), zeros([2, 3]), f64(3))).toThrow(ShapeError);
  expect(() => eigh(f64(3, 2))).toThrow(ShapeError);
  expect(() => eigh(zeros([3, 3]))).toThrow(DTypeError);
  expect(() => spectral(f64(3, 2), f64(2))).toThrow(ShapeError);
  expect(() => project(zeros([2, 3]), zeros([3, 2]))).toThrow(ShapeError);
  expect(() => project(zeros([2, 3]), zeros([3, 3]), { bak: true } as never)).toThrow('did you mean "back"?');
});
