import { OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { testOp, type Numbers, type OpCase } from './support';

type Size = readonly [batch: number, m: number, k: number, n: number];

function product([batch, m, k, n]: Size, ta: boolean, tb: boolean): (a: Numbers, b: Numbers) => Numbers {
  return (a, b) => {
    const c = new Float64Array(batch * m * n);
    for (let z = 0; z < batch; z++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          for (let l = 0; l < k; l++) {
            const left = a[z * m * k + (ta ? l * m + i : i * k + l)]!;
            c[(z * m + i) * n + j]! += left * b[z * k * n + (tb ? j * k + l : l * n + j)]!;
          }
        }
      }
    }
    return c;
  };
}

function matmulCase(size: Size, ta: boolean, tb: boolean, stacked: boolean): OpCase {
  const [batch, m, k, n] = size;
  const lead = stacked ? [batch] : [];
  return {
    args: [{ shape: [...lead, ...(ta ? [k, m] : [m, k])] }, { shape: [...lead, ...(tb ? [n, k] : [k, n])] }],
    fn: (a, b) => ops.matmul(a, b, { transposeA: ta, transposeB: tb }),
    reference: product(size, ta, tb),
  };
}

const cases: Record<string, OpCase> = {};
for (const ta of [false, true]) {
  for (const tb of [false, true]) {
    cases[`5x7x6${ta ? ' A^T' : ''}${tb ? ' B^T' : ''}`] = matmulCase([1, 5, 7, 6], ta, tb, false);
    cases[`3 of 4x3x5${ta ? ' A^T' : ''}${tb ? ' B^T' : ''}`] = matmulCase([3, 4, 3, 5], ta, tb, true);
  }
}
testOp('matmul', cases);

testOp('matmul across tiles', {
  '17x130x67': { ...matmulCase([1, 17, 130, 67], false, false, false), differentiate: [] },
  '67x33x65 B^T': { ...matmulCase([1, 67, 33, 65], false, true, false), differentiate: [] },
  '33x67x34 A^T': { ...matmulCase([1, 33, 67, 34], true, false, false), differentiate: [] },
});

const layer = product([1, 4, 6, 5], false, true);
testOp('linear', {
  'with bias': {
    args: [{ shape: [4, 6] }, { shape: [5, 6] }, { shape: [5] }],
    fn: (x, w, b) => ops.linear(x, w, b),
    reference: (x, w, b) => layer(x, w).map((v, i) => v + b[i % 5]!),
  },
  'without bias, leading axes': {
    args: [{ shape: [2, 2, 6] }, { shape: [5, 6] }],
    fn: (x, w) => ops.linear(x, w),
    reference: layer,
  },
  'into tanh (fused)': {
    args: [{ shape: [4, 6] }, { shape: [5, 6] }, { shape: [5] }],
    fn: (x, w, b) => ops.tanh(ops.linear(x, w, b)),
    reference: (x, w, b) => layer(x, w).map((v, i) => Math.tanh(v + b[i % 5]!)),
  },
});

describe('matrix products', () => {
  it('name what does not fit', () => {
    const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    expect(() => ops.matmul(x, x)).toThrow('matmul: [2, 3] does not fit [2, 3]');
    expect(() => ops.linear(x, tensor([1, 2], [1, 2]))).toThrow(
      'linear: weight expects 2 input features, x is [2, 3]',
    );
    expect(() => ops.linear(x, x, tensor([1]))).toThrow(ShapeError);
    expect(() => ops.matmul(x, x, { transposeb: true } as never)).toThrow('did you mean "transposeB"?');
    expect(() => ops.matmul(x, x, { transposeB: 'no' as never })).toThrow(OptionError);
  });
});
