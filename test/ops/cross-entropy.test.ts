import { DataError, DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { zeros } from '../../lib/tensor/tensor';
import { assign } from '../../lib/graph/trace';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { numbers, testOp, type Numbers, type OpCase } from './support';

const [rows, classes] = [5, 7];
const labels = Float64Array.of(0, 6, 3, 3, 1);

/** -sum_k q_k log softmax(x)_k with q = (1 - s) target + s / K. */
function loss(x: Numbers, target: (row: number, k: number) => number, s: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    const logits = x.subarray(row * classes, (row + 1) * classes);
    const lse = Math.log(logits.reduce((n, v) => n + Math.exp(v), 0));
    return -logits.reduce((n, v, k) => n + ((1 - s) * target(row, k) + s / classes) * (v - lse), 0);
  });
}

function hard(smoothing: number): OpCase {
  return {
    args: [{ shape: [rows, classes] }, { shape: [rows], values: labels, dtype: 'i32' }],
    fn: (x, t) => ops.crossEntropy(x, t, smoothing),
    reference: (x) => loss(x, (row, k) => Number(labels[row] === k), smoothing),
  };
}

function soft(smoothing: number): OpCase {
  return {
    args: [
      { shape: [rows, classes] },
      { shape: [rows, classes], values: numbers([rows, classes], 3).map((v) => (1 + v) / classes) },
    ],
    fn: (x, t) => ops.crossEntropy(x, t, smoothing),
    reference: (x, t) => loss(x, (row, k) => t[row * classes + k]!, smoothing),
    differentiate: [0],
  };
}

testOp('crossEntropy', {
  hard: hard(0),
  'hard, smoothed': hard(0.1),
  soft: soft(0),
  'soft, smoothed': soft(0.2),
});

describe('crossEntropy', () => {
  const x = tensor([0, 1, 2, 3], [2, 2]);

  it('a label out of range rejects the run, names the first, and commits nothing', async () => {
    const total = zeros([2]);
    const step = compile((t: Tensor) => assign(total, ops.crossEntropy(x, t)));
    await expect(step(tensor([0, 2], [2], 'i32'))).rejects.toThrow(DataError);
    await expect(step(tensor([-1, 5], [2], 'i32'))).rejects.toThrow(/0/);
    expect(Array.from(await total.data())).toEqual([0, 0]);
    await step(tensor([0, 1], [2], 'i32'));
    expect((await total.data())[0]).toBeCloseTo(Math.log(1 + Math.E), 5);
  });

  it('checks shapes, types and smoothing', () => {
    expect(() => ops.crossEntropy(x, tensor([1, 0, 1], [3], 'i32'))).toThrow(ShapeError);
    expect(() => ops.crossEntropy(x, tensor([1, 0]))).toThrow(DTypeError);
    expect(() => ops.crossEntropy(x, tensor(new Uint8Array(2)))).toThrow(/must be i32 or f32, got u8/);
    expect(() => ops.crossEntropy(x, tensor([1, 0], [2], 'i32'), 1.5)).toThrow(OptionError);
  });

  it('countCorrect counts, for hard and soft targets', async () => {
    expect(await ops.countCorrect(x, tensor([1, 0], [2], 'i32')).item()).toBe(1);
    expect(await ops.countCorrect(x, tensor([0.1, 0.9, 0.4, 0.6], [2, 2])).item()).toBe(2);
  });
});
