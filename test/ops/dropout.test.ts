import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as ops from '../../lib/ops';
import { RandomState } from '../../lib/random';
import { setThreads } from '../../lib/native';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { testOp } from './support';

const half = runtimeScalar(() => 0.5);

testOp('dropout', {
  // The mask is the same in every run outside compile()'s counting, so differences see a linear function.
  'p = 0 is the identity': {
    args: [{ shape: [3, 7] }],
    fn: (x) =>
      ops.dropout(
        x,
        runtimeScalar(() => 0),
      ),
    reference: (x) => x,
  },
  'p = 1 gives zeros': {
    args: [{ shape: [3, 7] }],
    fn: (x) =>
      ops.dropout(
        x,
        runtimeScalar(() => 1),
      ),
    reference: (x) => x.map(() => 0),
  },
  'p = 1/2': { args: [{ shape: [5, 33] }], fn: (x) => ops.dropout(x, half), seed: 5 },
  'plain, p = 0.3': {
    args: [{ shape: [5, 33] }],
    fn: (x) =>
      ops.dropout(
        x,
        runtimeScalar(() => 0.3),
        { inverted: false },
      ),
    seed: 6,
  },
  channels: {
    args: [{ shape: [2, 9, 3, 2] }],
    fn: (x) => ops.dropout(x, half, { perChannel: true }),
    seed: 7,
  },
});

testOp('stochastic_depth', {
  rows: { args: [{ shape: [9, 3, 2, 2] }], fn: (x) => ops.stochasticDepth(x, half), seed: 1 },
  'rows, plain': {
    args: [{ shape: [9, 5] }],
    fn: (x) => ops.stochasticDepth(x, half, { scaling: 'evaluation' }),
    seed: 2,
  },
  batch: { args: [{ shape: [9, 5] }], fn: (x) => ops.stochasticDepth(x, half, { mode: 'batch' }), seed: 3 },
});

describe('stochastic depth', () => {
  const kinds = async (mode: 'row' | 'batch', steps: number): Promise<Set<number>[]> => {
    const run = compile((x: Tensor) => ops.stochasticDepth(x, half, { mode }), {
      random: new RandomState(4),
    });
    const x = tensor(new Float32Array(64 * 12).fill(1), [64, 3, 2, 2]);
    const rows: Set<number>[] = [];
    for (let step = 0; step < steps; step++) {
      const y = await (await run(x)).data();
      for (let n = 0; n < 64; n++) rows.push(new Set(y.slice(12 * n, 12 * n + 12)));
    }
    return rows;
  };

  it('drops whole examples, each by itself, and keeps the expectation', async () => {
    const rows = await kinds('row', 10);
    expect(rows.every((row) => row.size === 1)).toBe(true);
    const values = rows.map((row) => [...row][0]!);
    expect(new Set(values)).toEqual(new Set([0, 2]));
    // Four standard errors of the mean of 640 draws of 0 or 2.
    expect(Math.abs(values.reduce((a, b) => a + b) / 640 - 1)).toBeLessThan(4 / Math.sqrt(640));
  });

  it('drops all examples of a batch at once', async () => {
    const rows = await kinds('batch', 10);
    const batches = Array.from({ length: 10 }, (_, i) => rows.slice(64 * i, 64 * i + 64));
    for (const batch of batches) expect(new Set(batch.flatMap((row) => [...row])).size).toBe(1);
    expect(new Set(rows.flatMap((row) => [...row]))).toEqual(new Set([0, 2]));
  });

  it('refuses what has no examples, and unknown options', () => {
    expect(() => ops.stochasticDepth(tensor(1), half)).toThrow(/rank 1 or 2 or 3 or 4/);
    expect(() => ops.stochasticDepth(tensor([1]), half, { mode: 'rows' } as never)).toThrow(/mode must be/);
  });
});

describe('dropout', () => {
  const ones = tensor(new Float32Array(4096).fill(1), [64, 64]);

  function mask(random: RandomState): Float32Array {
    return compile((x: Tensor) => ops.dropout(x, half), { random })
      .runSync(ones)
      .dataSync() as Float32Array;
  }

  it('keeps the expectation: survivors are divided by 1 - p', () => {
    const y = mask(new RandomState(1));
    expect(new Set(y)).toEqual(new Set([0, 2]));
    const mean = y.reduce((n, v) => n + v, 0) / y.length;
    // Four standard errors of the mean of 4096 draws of 0 or 2.
    expect(Math.abs(mean - 1)).toBeLessThan(4 / 64);
  });

  it('is a function of seed and step, not of threads', () => {
    const first = mask(new RandomState(1));
    setThreads(1);
    expect(mask(new RandomState(1))).toEqual(first);
    setThreads(2);
    expect(mask(new RandomState(2))).not.toEqual(first);
    const random = new RandomState(1);
    random.step = 1;
    expect(mask(random)).not.toEqual(first);
  });

  it('draws anew at every run and call, and backward sees the same mask', async () => {
    const random = new RandomState(3);
    const both = compile(
      (x: Tensor) => {
        const [a, b] = [ops.dropout(x, half), ops.dropout(x, half)];
        return { a, b, ga: grad(ops.sum(a), [x])[0]! };
      },
      { random },
    );
    const first = await both(ones);
    const second = await both(ones);
    expect(first.a.dataSync()).toEqual(first.ga.dataSync());
    expect(first.a.dataSync()).not.toEqual(first.b.dataSync());
    expect(first.a.dataSync()).not.toEqual(second.a.dataSync());
    expect(random.step).toBe(2);
  });

  it('outside compile, each call draws anew, and a tensor keeps its draws', async () => {
    const p = runtimeScalar(() => 0.5);
    const [a, b] = [ops.dropout(ones, p), ops.dropout(ones, p)];
    const first = await a.data();
    expect(await b.data()).not.toEqual(first);
    expect(await a.data()).toEqual(first);
  });

  it('drops whole channels', async () => {
    const x = tensor(new Float32Array(2 * 8 * 9).fill(1), [2, 8, 3, 3]);
    const y = await (await compile((t: Tensor) => ops.dropout(t, half, { perChannel: true }))(x)).data();
    for (let plane = 0; plane < 16; plane++) expect(new Set(y.slice(plane * 9, plane * 9 + 9)).size).toBe(1);
    expect(new Set(y).size).toBe(2);
    expect(() => ops.dropout(ones, half, { perChannel: true })).toThrow(/rank 4/);
    expect(() => ops.dropout(x, half, { perChanel: true } as never)).toThrow('did you mean "perChannel"?');
  });

  it('has no effect on infinite inputs where it drops', async () => {
    const y = await ops
      .dropout(
        tensor([Infinity, Infinity]),
        runtimeScalar(() => 1),
      )
      .data();
    expect(Array.from(y)).toEqual([0, 0]);
  });
});
