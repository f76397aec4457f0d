/** Folds and held-out parts, their sizes beside scikit-learn's (test/fixtures/make_folds.py). */
import * as data from '../../lib/data';
import type { Dataset, Fold } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { Trainer } from '../../lib/train';
import fixture from '../fixtures/folds.json';
import { failure } from './helpers';

/** Sample i is the number i; classes follow one another, with so many samples each. */
function numbered(counts: readonly number[]): Promise<Dataset> {
  const labels = counts.flatMap((count, label) => Array<number>(count).fill(label));
  const classNames = counts.map((_, label) => `class${label}`);
  return data.fromFeatures({ inputs: labels.map((_, i) => i), shape: [1], targets: labels, classNames });
}

async function contents(set: Dataset): Promise<number[]> {
  return [...(await set.rows()).inputs];
}

async function checkApart(set: Dataset, { train, validation }: Fold): Promise<void> {
  const [trains, validates] = [await contents(train), await contents(validation)];
  expect([...trains, ...validates].sort((a, b) => a - b)).toEqual(await contents(set));
  for (const part of [trains, validates]) expect(part).toEqual([...part].sort((a, b) => a - b));
}

test.each(fixture.values)(
  'folds of $counts in $k have the sizes of scikit-learn',
  async ({ counts, k, ...theirs }) => {
    const set = await numbered(counts);
    const plain = set.folds(k, { seed: 3 });
    expect(plain.map(({ validation }) => validation.length)).toEqual(theirs.sizes);
    const stratified = set.folds(k, { seed: 3, stratified: true });
    expect(stratified.map(({ validation }) => validation.classCounts())).toEqual(theirs.classes);
    for (const folds of [plain, stratified]) {
      for (const fold of folds) await checkApart(set, fold);
      const all = await Promise.all(folds.map(({ validation }) => contents(validation)));
      expect(all.flat().sort((a, b) => a - b)).toEqual(await contents(set));
    }
  },
);

test('folds are a function of the seed', async () => {
  const set = await numbered([20, 20]);
  for (const stratified of [false, true]) {
    const [one, again, other] = await Promise.all(
      [1, 1, 2].map((seed) => contents(set.folds(4, { seed, stratified })[0]!.validation)),
    );
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  }
  const [none, zero] = [set.folds(4), set.folds(4, { seed: 0 })];
  expect(await contents(none[2]!.train)).toEqual(await contents(zero[2]!.train));
});

test('copies of a sample stay together', async () => {
  const base = (await numbered([8, 8])).withWeights(Array.from({ length: 16 }, (_, i) => i + 1));
  const set = base.sample(60, { replace: true });
  for (const stratified of [false, true])
    for (const { train, validation } of [
      ...set.folds(3, { stratified }),
      set.holdOut(0.25, { stratified }),
    ]) {
      const [trains, validates] = [new Set(await contents(train)), await contents(validation)];
      expect(validates.filter((sample) => trains.has(sample))).toEqual([]);
      expect(train.length + validation.length).toBe(60);
      expect([...validation.weights!]).toEqual(validates.map((sample) => sample + 1));
    }
});

test('holdOut takes a share, of each class where stratified', async () => {
  const set = await numbered([40, 10, 4]);
  const { train, validation } = set.holdOut(0.25, { seed: 2 });
  expect([train.length, validation.length]).toEqual([40, 14]);
  await checkApart(set, { train, validation });
  const fold = set.holdOut(0.25, { seed: 2, stratified: true });
  await checkApart(set, fold);
  expect(fold.validation.classCounts()).toEqual([10, 3, 1]); // 10.4, 2.6, 1.0 of 14
  expect(await contents(set.holdOut(0.25, { seed: 3 }).validation)).not.toEqual(await contents(validation));
});

test('groups stay together, and each class near its share', async () => {
  const set = await numbered([60, 30, 24]);
  // Groups of 1 to 5 samples, of which some cross the border of two classes.
  const groups = Array.from({ length: 114 }, (_, i) => `group ${Math.floor((i + (i % 3)) / 3)}`);
  for (const seed of [0, 1, 2]) {
    const folds = set.folds(4, { seed, stratified: true, groups });
    const held = set.holdOut(0.25, { seed, stratified: true, groups });
    for (const fold of [
      ...folds,
      held,
      ...set.folds(4, { seed, groups }),
      set.holdOut(0.25, { seed, groups }),
    ]) {
      await checkApart(set, fold);
      const trains = new Set((await contents(fold.train)).map((i) => groups[i]));
      expect((await contents(fold.validation)).filter((i) => trains.has(groups[i]))).toEqual([]);
      expect(Math.abs(fold.validation.length - 114 / 4)).toBeLessThanOrEqual(4);
    }
    for (const { validation } of [...folds, held]) {
      const [a = 0, b = 0, c = 0] = validation.classCounts();
      for (const [count, share] of [
        [a, 15],
        [b, 7.5],
        [c, 6],
      ] as const)
        expect(Math.abs(count - share)).toBeLessThanOrEqual(3);
    }
  }
});

test('samples that are groups of their own are divided as without groups', async () => {
  const set = await numbered([13, 9, 6]);
  const alone = { groups: Int32Array.from({ length: 28 }, (_, i) => 100 - i) };
  for (const stratified of [false, true]) {
    const [plain, grouped] = [{}, alone].map((groups) => [
      ...set.folds(3, { seed: 5, stratified, ...groups }),
      set.holdOut(0.3, { seed: 5, stratified, ...groups }),
    ]);
    for (const [i, { validation }] of plain!.entries())
      expect(await contents(grouped![i]!.validation)).toEqual(await contents(validation));
  }
});

test('large groups leave no class without training or validation', async () => {
  const set = await numbered([10, 10, 40]);
  // The first class is two groups of 5, the second one of 9 and one of 1.
  const groups = Array.from({ length: 60 }, (_, i) => (i < 10 ? Math.floor(i / 5) : i < 19 ? 2 : i));
  for (let seed = 0; seed < 10; seed++) {
    const { train, validation } = set.holdOut(0.2, { seed, stratified: true, groups });
    expect(validation.classCounts()).toEqual([5, 1, 8]);
    expect(train.classCounts()).toEqual([5, 9, 32]);
    const most = set.holdOut(0.85, { seed, stratified: true, groups });
    expect(Math.min(...most.train.classCounts(), ...most.validation.classCounts())).toBeGreaterThan(0);
  }
});

test('inputs are normalized by what trains, not by what validates', async () => {
  const images = Uint8Array.from({ length: 20 * 4 }, (_, i) => 10 * (i >> 2));
  const labels = Array.from({ length: 20 }, (_, i) => i % 2);
  const set = await data.fromArrays({ images, labels, shape: [2, 2, 1] });
  const { train } = set.folds(4)[0]!;
  const { inputs, targets } = await train.rows();
  const own = { images: inputs as Uint8Array, labels: targets as Int32Array, shape: [2, 2, 1] as const };
  const models = await Promise.all(
    [train, await data.fromArrays(own), set].map(async (each) => {
      const model = nn.sequential(nn.flatten(), nn.linear(4, 2));
      const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
      await trainer.fit(each, { epochs: 1, batchSize: 5 });
      return model.toBuffer();
    }),
  );
  expect(models[0]).toEqual(models[1]);
  expect(await train.statistics()).not.toEqual(await set.statistics());
});

test('what cannot be divided is refused', async () => {
  const set = await numbered([10, 3, 1]);
  const numbers = await data.fromFeatures({ inputs: [1, 2], shape: [1], targets: [3, 4], targetShape: [1] });
  const option = 'ERR_TENON_OPTION';
  const wrong = 'ERR_TENON_DATA';
  const calls: [() => unknown, string, string][] = [
    [() => set.folds(1), option, 'folds: k must be at least 2, got 1'],
    [() => set.folds(2.5), option, 'folds: k must be a positive integer'],
    [() => set.folds('5' as never), option, 'folds: k must be a positive integer'],
    [() => set.folds(15), wrong, 'folds: 15 folds need as many samples, there are 14'],
    [() => set.subset([4, 4, 4]).folds(2), wrong, 'folds: 2 folds need as many samples, there are 1'],
    [
      () => set.folds(2, { stratified: true }),
      wrong,
      'folds: class "class2" has 1 of the at least 2 samples',
    ],
    [() => set.folds(2, { startified: true } as never), option, 'did you mean "stratified"?'],
    [() => set.folds(2, { stratified: 1 as never }), option, 'stratified must be true or false'],
    [() => set.folds(2, { seed: -1 }), option, 'folds: seed must be'],
    [() => numbers.folds(2, { stratified: true }), option, 'folds: stratified is for sets with classes'],
    [
      () => set.folds(2, { groups: 5 as never }),
      option,
      'folds: groups must be a list of numbers or strings',
    ],
    [() => set.folds(2, { groups: [1, 2] }), option, 'folds: 2 groups for 14 samples'],
    [() => set.folds(2, { groups: Array(14).fill(0.5) }), option, 'folds: groups[0] must be a whole number'],
    [
      () => set.folds(2, { groups: Array(14).fill(7) }),
      wrong,
      'folds: 2 folds need as many groups, there are 1',
    ],
    [
      () => set.subset([3, 4, 3]).folds(2, { groups: ['a', 'b', 'c'] }),
      option,
      'folds: the sample at position 2 comes more than once in the set, in groups "a" and "c"',
    ],
    [
      () => set.subset([0, 1, 10, 11]).holdOut(0.5, { stratified: true, groups: [1, 2, 3, 3] }),
      wrong,
      'holdOut: class "class1" has 1 of the at least 2 groups',
    ],
    [() => set.holdOut(0.5, { groups: Array(14).fill('a') }), wrong, 'a share of 0.5 of 1 groups leaves'],
    [() => set.holdOut(1), option, 'holdOut: share must be above 0 and below 1, got 1'],
    [() => set.holdOut(0), option, 'holdOut: share must be'],
    [() => set.holdOut(0.01), wrong, 'holdOut: a share of 0.01 of 14 samples leaves one part empty'],
    [() => set.holdOut(0.5, { stratified: true }), wrong, 'holdOut: class "class2" has 1 of the at least 2'],
  ];
  for (const [call, code, message] of calls)
    expect(await failure(call)).toEqual({ code, message: expect.stringContaining(message) });
  expect((await contents(numbers.folds(2)[0]!.validation)).length).toBe(1);
});
