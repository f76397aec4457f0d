import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { cutEpoch } from '../../lib/data/cut';
import { BatchLoader, type LoaderOptions } from '../../lib/data/loader';
import { shuffled, shuffledSync } from '../../lib/data/order';
import type { ImageSource } from '../../lib/data/source';

async function batches(set: Dataset, options: LoaderOptions): Promise<number[][]> {
  const loader = new BatchLoader(set, options);
  const all: number[][] = [];
  for (let batch = await loader.next(); batch !== undefined; batch = await loader.next())
    all.push([...batch.rows]);
  expect(await loader.next()).toBeUndefined();
  return all;
}

function numbers(count: number): Promise<Dataset> {
  return data.fromFeatures({ inputs: new Float32Array(count), shape: [1], targets: new Int32Array(count) });
}

/** Images of one pixel that decode when `release` is called; `started` counts how many began. */
async function slowImages(length: number) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const form = { length, height: 1, width: 1, channels: 1, classNames: ['a'], eager: false };
  const state = { started: 0, release };
  const source: ImageSource = {
    ...form,
    labels: new Int32Array(length),
    read: () => {
      state.started++;
      return released;
    },
    describe: String,
  };
  return { set: await data.Dataset.fromSource(source), state };
}

describe('a part', () => {
  test('of each batch is loaded, and knows its place', async () => {
    const { set, state } = await slowImages(21);
    state.release();
    const part = (size: number): [number, number] => [Math.floor(size / 3), Math.floor((2 * size) / 3)];
    const loader = new BatchLoader(set, { batchSize: 10, part });
    const found = [];
    for (let batch = await loader.next(); batch !== undefined; batch = await loader.next())
      found.push([batch.size, batch.first, ...batch.rows]);
    expect(found).toEqual([
      [7, 2, 2, 3],
      [7, 2, 9, 10],
      [7, 2, 16, 17],
    ]);
    // The other samples stay undecoded.
    expect(state.started).toBe(6);
  });

  test('of an epoch ends where it was told to', async () => {
    const set = await numbers(50);
    expect(await batches(set, { batchSize: 10, start: 1, end: 3 })).toEqual([
      Array.from({ length: 10 }, (_, i) => 10 + i),
      Array.from({ length: 10 }, (_, i) => 20 + i),
    ]);
    expect(await batches(set, { batchSize: 10, start: 4, end: 9 })).toHaveLength(1);
    expect(await batches(set, { batchSize: 10, start: 2, end: 2 })).toEqual([]);
  });
});

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

describe('cutEpoch', () => {
  const every = [1, 2, 3, 5, 8].flatMap((batchSize) =>
    [1, 2, 3, 4].map((accumulate) => [batchSize, accumulate]),
  );

  test.each(every)('batches of %d, %d a step, are even, and so are steps', (batchSize, accumulate) => {
    for (let length = 1; length <= 70; length++) {
      const cut = cutEpoch(length, { batchSize, accumulate });
      const bounds = Array.from({ length: cut.batches }, (_, i) => cut.bounds(i));
      expect([0, ...bounds.map(([, end]) => end)]).toEqual([...bounds.map(([begin]) => begin), length]);
      const sizes = bounds.map(([begin, end]) => end - begin);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      const steps = new Array<number>(cut.steps).fill(0);
      sizes.forEach((size, i) => (steps[cut.stepOf(i)]! += size));
      expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
      const counts = steps.map((_, step) => sizes.filter((__, i) => cut.stepOf(i) === step).length);
      expect(Math.max(...counts)).toBeLessThanOrEqual(accumulate);
      const pairs = batchSize === 2 || batchSize * accumulate === 2;
      expect(Math.max(...sizes)).toBeLessThanOrEqual(pairs ? 3 : batchSize);
      if (batchSize > 1 && length > 1) expect(Math.min(...sizes)).toBeGreaterThan(1);
      if (accumulate === 1 && batchSize !== 2) expect(cut.batches).toBe(Math.ceil(length / batchSize));
      if (batchSize !== 2) expect(cut.steps).toBe(Math.ceil(length / (batchSize * accumulate)));
    }
  });

  test('lengths up to 2^31 and batches of any size stay exact', () => {
    const length = 2 ** 31 - 1;
    const cut = cutEpoch(length, { batchSize: 128, accumulate: 3 });
    expect(cut.bounds(cut.batches - 1)[1]).toBe(length);
    expect(cut.stepOf(cut.batches - 1)).toBe(cut.steps - 1);
    expect(cutEpoch(5, { batchSize: Number.MAX_SAFE_INTEGER, accumulate: 7 }).bounds(0)).toEqual([0, 5]);
  });
});

describe('BatchLoader', () => {
  async function sizes(count: number, options: Omit<LoaderOptions, 'batchSize'>): Promise<number[]> {
    return (await batches(await numbers(count), { batchSize: 4, ...options })).map((b) => b.length);
  }

  test('all batches share the samples that do not fill one', async () => {
    expect(await sizes(8, {})).toEqual([4, 4]);
    expect(await sizes(10, {})).toEqual([4, 3, 3]);
    expect(await sizes(9, { lastBatch: 'even' })).toEqual([3, 3, 3]);
    expect(await sizes(1, {})).toEqual([1]);
    expect(await sizes(5, {})).toEqual([3, 2]);
  });

  test('or a smaller last batch is kept, where a single sample joins the one before', async () => {
    const lastBatch = 'keep';
    expect(await sizes(8, { lastBatch })).toEqual([4, 4]);
    expect(await sizes(10, { lastBatch })).toEqual([4, 4, 2]);
    expect(await sizes(9, { lastBatch })).toEqual([4, 5]);
    expect(await sizes(1, { lastBatch })).toEqual([1]);
    expect(await sizes(3, { lastBatch })).toEqual([3]);
    expect(cutEpoch(5, { batchSize: 4, lastBatch }).batches).toBe(1);
    expect([7, 1].map((n) => cutEpoch(n, { batchSize: 1, lastBatch }).batches)).toEqual([7, 1]);
  });

  test('or they are dropped', async () => {
    const lastBatch = 'drop';
    expect(await sizes(8, { lastBatch })).toEqual([4, 4]);
    expect(await sizes(11, { lastBatch })).toEqual([4, 4]);
    const all = await batches(await numbers(11), { batchSize: 4, shuffle: { seed: 1, epoch: 2 } });
    const kept = await batches(await numbers(11), {
      batchSize: 4,
      lastBatch,
      shuffle: { seed: 1, epoch: 2 },
    });
    expect(kept.flat()).toEqual(all.flat().slice(0, 8));
    await expect(sizes(3, { lastBatch })).rejects.toThrow("lastBatch 'drop' leaves no batch of 4");
  });

  test('close() leaves samples that wait for their turn undecoded', async () => {
    const { set, state } = await slowImages(200);
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    const loader = new BatchLoader(set, { batchSize: 20 });
    const next = loader.next();
    const failed = expect(next).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
    await new Promise(setImmediate);
    const { started } = state;
    expect(started).toBeGreaterThan(0);
    expect(started).toBeLessThan(200);
    loader.close();
    state.release();
    await failed;
    expect(await loader.next()).toBeUndefined();
    for (let i = 0; i < 3; i++) await new Promise(setImmediate);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(state.started).toBe(started);
  });

  test('close() leaves to others the samples that they wait for, too', async () => {
    const { set, state } = await slowImages(100);
    const [closed, other] = [0, 1].map(() => new BatchLoader(set, { batchSize: 50 }));
    closed!.next().catch(() => undefined);
    const next = other!.next();
    await new Promise(setImmediate);
    closed!.close();
    state.release();
    expect((await next)!.rows).toHaveLength(50);
    expect((await other!.next())!.rows).toHaveLength(50);
    expect(await other!.next()).toBeUndefined();
    expect(state.started).toBe(100);
  });

  test('samples given up are decoded when they are asked for again', async () => {
    const { set, state } = await slowImages(100);
    const loader = new BatchLoader(set, { batchSize: 50 });
    const next = loader.next();
    await new Promise(setImmediate);
    loader.close();
    state.release();
    await expect(next).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
    expect((await batches(set, { batchSize: 50 })).flat()).toHaveLength(100);
    expect(state.started).toBe(100);
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
