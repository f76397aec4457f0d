import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { batchCount, BatchLoader, type LoaderOptions } from '../../lib/data/loader';
import { shuffled, shuffledSync } from '../../lib/data/order';

async function batches(set: Dataset, options: LoaderOptions): Promise<number[][]> {
  const loader = new BatchLoader(set, options);
  const all: number[][] = [];
  for (let rows = await loader.next(); rows !== undefined; rows = await loader.next()) all.push([...rows]);
  expect(await loader.next()).toBeUndefined();
  return all;
}

function numbers(count: number): Promise<Dataset> {
  return data.fromFeatures({ inputs: new Float32Array(count), shape: [1], targets: new Int32Array(count) });
}

describe('order', () => {
  test('is a permutation, a function of seed, stream and epoch', async () => {
    const order = await shuffled(40_000, 1, 'order', 2);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 40_000 }, (_, i) => i));
    expect(shuffledSync(40_000, 1, 'order', 2)).toEqual(order);
    for (const other of [
      shuffledSync(40_000, 2, 'order', 2),
      shuffledSync(40_000, 1, 'split', 2),
      shuffledSync(40_000, 1, 'order', 3),
    ])
      expect(other).not.toEqual(order);
    expect(shuffledSync(1, 0, 'order')).toEqual(Int32Array.of(0));
    expect(shuffledSync(0, 0, 'order')).toHaveLength(0);
  });

  test('every place is equally likely', () => {
    const counts = Array.from({ length: 6 }, () => new Array<number>(6).fill(0));
    for (let seed = 0; seed < 6000; seed++)
      shuffledSync(6, seed, 'order').forEach((value, at) => counts[at]![value]!++);
    for (const row of counts) for (const count of row) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});

describe('BatchLoader', () => {
  test('a smaller last batch is kept, a single sample joins the one before', async () => {
    const sizes = async (count: number): Promise<number[]> =>
      (await batches(await numbers(count), { batchSize: 4 })).map((b) => b.length);
    expect(await sizes(8)).toEqual([4, 4]);
    expect(await sizes(10)).toEqual([4, 4, 2]);
    expect(await sizes(9)).toEqual([4, 5]);
    expect(await sizes(1)).toEqual([1]);
    expect(await sizes(3)).toEqual([3]);
    expect(batchCount(5, 4)).toBe(1);
    expect([batchCount(7, 1), batchCount(1, 1)]).toEqual([7, 1]);
  });

  test('shuffles by seed and epoch, and goes on in the middle', async () => {
    const set = await numbers(23);
    const shuffle = { seed: 5, epoch: 1 };
    const all = await batches(set, { batchSize: 4, shuffle });
    expect(all.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(await batches(set, { batchSize: 4, shuffle, start: 2 })).toEqual(all.slice(2));
    expect(await batches(set, { batchSize: 4, shuffle: { seed: 5, epoch: 2 } })).not.toEqual(all);
  });
});
