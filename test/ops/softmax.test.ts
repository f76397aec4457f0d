import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { testOp, type Numbers } from './support';

/** Softmax along the middle axis of [outer, n, inner]. */
function along(outer: number, n: number, inner: number, log: boolean): (x: Numbers) => Numbers {
  return (x) => {
    const y = new Float64Array(x.length);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        const at = (k: number): number => (o * n + k) * inner + i;
        let total = 0;
        for (let k = 0; k < n; k++) total += Math.exp(x[at(k)]!);
        for (let k = 0; k < n; k++)
          y[at(k)] = log ? x[at(k)]! - Math.log(total) : Math.exp(x[at(k)]!) / total;
      }
    return y;
  };
}

for (const [name, fn, log] of [
  ['softmax', ops.softmax, false],
  ['logSoftmax', ops.logSoftmax, true],
] as const) {
  testOp(name, {
    rows: { args: [{ shape: [4, 10] }], fn: (x) => fn(x), reference: along(4, 10, 1, log) },
    'wide rows': { args: [{ shape: [2, 67] }], fn: (x) => fn(x), reference: along(2, 67, 1, log) },
    'axis 0': { args: [{ shape: [5, 3] }], fn: (x) => fn(x, 0), reference: along(1, 5, 3, log) },
    'channels of images': {
      args: [{ shape: [2, 5, 3, 2] }],
      fn: (x) => fn(x),
      reference: along(2, 5, 6, log),
    },
    'width of images': {
      args: [{ shape: [2, 3, 2, 5] }],
      fn: (x) => fn(x, 3),
      reference: along(12, 5, 1, log),
    },
    vector: { args: [{ shape: [7] }], fn: (x) => fn(x), reference: along(1, 7, 1, log) },
  });
}

describe('softmax', () => {
  it('is stable far from zero', async () => {
    expect(Array.from(await ops.softmax(tensor([1000, 1000, -1000], [1, 3])).data())).toEqual([0.5, 0.5, 0]);
    expect(Array.from(await ops.logSoftmax(tensor([1000, -1000], [1, 2])).data())).toEqual([0, -2000]);
  });
});
