import { fromFeatures, weightedRandomSampler, type Dataset } from '../../lib/data';
import { cutEpoch } from '../../lib/data/cut';
import { BatchLoader, type LoadedBatch } from '../../lib/data/loader';

async function numbered(length: number, targets?: readonly number[]): Promise<Dataset> {
  const inputs = Float32Array.from({ length }, (_, i) => i);
  return fromFeatures({ inputs, shape: [1], targets: targets ?? Array.from({ length }, (_, i) => i % 4) });
}

test('draws come in proportion to the weights, and never from those of 0', async () => {
  const data = await numbered(6);
  const weights = [1, 0, 2, 4, 3, 0];
  const draws = 40_000;
  const sampler = weightedRandomSampler({ weights, numSamples: draws });
  const { positions } = await sampler.draw(data, 5, 0);
  expect(positions).toHaveLength(draws);
  const counts = weights.map((_, k) => positions.filter((position) => position === k).length);
  // Pearson's statistic over the four possible samples: above 16.3 once in a thousand seeds.
  const expected = weights.map((weight) => (weight / 10) * draws);
  const statistic = counts.reduce(
    (sum, count, k) => (weights[k] === 0 ? sum : sum + (count - expected[k]!) ** 2 / expected[k]!),
    0,
  );
  expect(statistic).toBeLessThan(16.3);
  expect([counts[1], counts[5]]).toEqual([0, 0]);
});

test('draws follow from the seed and the epoch, and only a prefix of them from numSamples', async () => {
  const data = await numbered(100);
  const weights = Float32Array.from({ length: 100 }, (_, i) => 1 + (i % 7));
  const draw = async (seed: number, epoch: number, numSamples = 500): Promise<Int32Array> =>
    (await weightedRandomSampler({ weights, numSamples }).draw(data, seed, epoch)).positions;
  const first = await draw(1, 0);
  expect(await draw(1, 0)).toEqual(first);
  expect(await draw(1, 0, 123)).toEqual(first.subarray(0, 123));
  for (const [seed, epoch] of [
    [2, 0],
    [1, 1],
  ] as const)
    expect(await draw(seed, epoch)).not.toEqual(first);
  expect(weightedRandomSampler({ weights }).count(data)).toBe(100);
});

test('occurrences count the earlier draws of the same sample of the set below', async () => {
  const data = await numbered(10);
  const twice = data.subset([3, 7, 3]);
  const sampler = weightedRandomSampler({ weights: [1, 1, 1], numSamples: 50 });
  const { positions, occurrence } = await sampler.draw(twice, 0, 0);
  const seen = new Map<number, number>();
  positions.forEach((position, i) => {
    const row = position === 1 ? 7 : 3;
    expect(occurrence![i]).toBe(seen.get(row) ?? 0);
    seen.set(row, (seen.get(row) ?? 0) + 1);
  });
});

describe('without replacement', () => {
  test('each sample of a weight above 0 comes once at most, the heavy ones first', async () => {
    const data = await numbered(60);
    const weights = Array.from({ length: 60 }, (_, i) => [0, 1, 9][i % 3]!);
    const all = weightedRandomSampler({ weights, replacement: false });
    expect(all.count(data)).toBe(40);
    const { positions, occurrence } = await all.draw(data, 1, 0);
    expect([...positions].sort((a, b) => a - b)).toEqual([...weights.keys()].filter((i) => weights[i]! > 0));
    expect(occurrence!.every((count) => count === 0)).toBe(true);
    const some = weightedRandomSampler({ weights, replacement: false, numSamples: 20 });
    expect((await some.draw(data, 1, 0)).positions).toEqual(positions.subarray(0, 20));
    expect(positions.subarray(0, 20).filter((i) => weights[i] === 9).length).toBeGreaterThan(12);
  });

  test('pairs come as often as drawing one after the other has them', async () => {
    const data = await numbered(3);
    const weights = [1, 2, 5];
    const sampler = weightedRandomSampler({ weights, replacement: false, numSamples: 2 });
    const counts = new Map<string, number>();
    const epochs = 8000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const pair = String((await sampler.draw(data, 7, epoch)).positions);
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    let statistic = 0;
    for (const [a, first] of weights.entries())
      for (const [b, second] of weights.entries()) {
        if (a === b) continue;
        const expected = (epochs * first * second) / 8 / (8 - first);
        statistic += ((counts.get(`${a},${b}`) ?? 0) - expected) ** 2 / expected;
      }
    // Pearson's statistic over six pairs: above 20.5 once in a thousand seeds.
    expect(statistic).toBeLessThan(20.5);
  });

  test('no more than there are can be drawn', async () => {
    const data = await numbered(3);
    const sampler = weightedRandomSampler({ weights: [1, 0, 2], replacement: false, numSamples: 3 });
    expect(() => sampler.check('fit', data)).toThrow(
      'fit: the sampler draws 3 samples without replacement, but only 2 have a weight above 0',
    );
  });
});

test("'balanced' draws each class as often", async () => {
  const targets = Array.from({ length: 400 }, (_, i) => (i < 340 ? 0 : i < 390 ? 1 : 2));
  const data = await numbered(400, targets);
  const sampler = weightedRandomSampler({ weights: 'balanced', numSamples: 30_000 });
  const { positions } = await sampler.draw(data, 3, 0);
  const counts = [0, 0, 0];
  for (const position of positions) counts[targets[position]!]!++;
  // The standard deviation of a count is 82.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(330);
});

test('batches of any size, and from any place on, cut the same draws', async () => {
  const data = await numbered(40);
  const sampler = weightedRandomSampler({ weights: 'balanced', numSamples: 61 });
  const shuffle = { seed: 4, epoch: 2 };
  const { positions, occurrence } = await sampler.draw(data, 4, 2);
  for (const batchSize of [1, 7, 61]) {
    for (const start of [0, 2]) {
      const options = { batchSize, lastBatch: 'keep', shuffle, sampler, start } as const;
      const loader = new BatchLoader(data, options);
      const batches: LoadedBatch[] = [];
      for (let batch = await loader.next(); batch; batch = await loader.next()) batches.push(batch);
      const begin = Math.min(61, start * batchSize);
      expect(batches.flatMap((batch) => [...batch.positions])).toEqual([...positions.subarray(begin)]);
      expect(batches.flatMap((batch) => [...batch.occurrence!])).toEqual([...occurrence!.subarray(begin)]);
      expect(batches).toHaveLength(Math.max(0, cutEpoch(61, options).batches - start));
    }
  }
});

test('many draws do not hold the event loop', async () => {
  const data = await numbered(50_000);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await weightedRandomSampler({ weights: 'balanced' }).draw(data, 0, 0);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
});

test('bad options are refused', async () => {
  const make = (options: object): (() => unknown) => {
    return () => weightedRandomSampler(options as never);
  };
  expect(make({})).toThrow('data.weightedRandomSampler: weights must be a list of numbers, got undefined');
  expect(make({ weights: [1, -1] })).toThrow('weights[1] must be a finite number of at least 0, got -1');
  expect(make({ weights: [1, NaN] })).toThrow('weights[1] must be a finite number');
  expect(make({ weights: [0, 0] })).toThrow('weights must have a finite sum above 0, theirs is 0');
  expect(make({ weights: [] })).toThrow('theirs is 0');
  expect(make({ weights: [1e308, 1e308] })).toThrow('theirs is Infinity');
  expect(make({ weights: 'balance' })).toThrow('got "balance" (did you mean "balanced"?)');
  expect(make({ weights: [1], numSamples: 0 })).toThrow(
    'numSamples must be a whole number from 1 to 2^28, got 0',
  );
  expect(make({ weights: [1], numSamples: 2 ** 40 })).toThrow('from 1 to 2^28');
  expect(make({ weights: [1], replacement: 1 })).toThrow('replacement must be true or false, got 1');
  const data = await numbered(3);
  expect(() => weightedRandomSampler({ weights: [1, 2] }).check('fit', data)).toThrow(
    'fit: the sampler has 2 weights, but the set has 3 samples',
  );
  const numbers = await fromFeatures({ inputs: [1, 2], shape: [1], targets: [1, 2], targetShape: [1] });
  expect(() => weightedRandomSampler({ weights: 'balanced' }).check('fit', numbers)).toThrow(
    "the sampler is 'balanced', but the targets of the set are numbers",
  );
});
