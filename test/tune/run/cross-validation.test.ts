/** Objectives on k folds and on a part held out: what they train on, report, note and return. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { data, tune } from '../../../lib';
import type { Dataset } from '../../../lib/data';
import { temporaryDirectory } from '../../cli/support';

const space = { x: tune.integer(0, 2) };
const grid = (): { space: typeof space; strategy: tune.Strategy } => ({ space, strategy: tune.grid() });
const dir = temporaryDirectory();

/** Sample i is the number i, of class i % 2. */
function numbered(count = 10): Promise<Dataset> {
  const inputs = Array.from({ length: count }, (_, i) => i);
  return data.fromFeatures({ inputs, shape: [1], targets: inputs.map((i) => i % 2) });
}

const contents = async (set: Dataset): Promise<number[]> => [...(await set.rows()).inputs];

async function drain<T>(trials: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const trial of trials) all.push(trial);
  return all;
}

test('a trial is the mean over the folds, which are the same in all trials', async () => {
  const seen: number[][][] = [[], [], []];
  const study = await tune.study(tune.memory(), grid());
  const objective = tune.crossValidation<{ x: number }>(
    await numbered(),
    async ({ x }, { number, train, validation }, trial) => {
      const [trains, validates] = [await contents(train), await contents(validation)];
      seen[trial.number]!.push(validates);
      expect([...trains, ...validates].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect([...validation.classCounts()]).toEqual([1, 1]);
      expect(trial.params).toEqual({ x });
      await trial.note('size', train.length);
      return x + number;
    },
    { stratified: true, seed: 4 },
  );
  const trials = await drain(study.run(objective));
  expect(seen[0]!.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(seen[1]).toEqual(seen[0]);
  expect(trials.map(({ value }) => value)).toEqual([2, 3, 4]);
  const { attributes, reports } = trials[1]!;
  expect(reports).toEqual([1, 1.5, 2, 2.5, 3].map((value, i) => ({ step: i + 1, value })));
  expect(attributes).toEqual({
    crossValidation: { values: [1, 2, 3, 4, 5], mean: 3, deviation: Math.sqrt(2.5) },
    ...Object.fromEntries([0, 1, 2, 3, 4].map((fold) => [`fold${fold}.size`, 8])),
  });
});

test('a rule ends a trial after some of its folds', async () => {
  const calls = [0, 0, 0];
  const set = await numbered();
  const rules = [tune.median({ startup: 1 })];
  const study = await tune.study(tune.memory(), { ...grid(), direction: 'minimize', rules });
  const objective = tune.crossValidation<{ x: number }>(set, ({ x }, _, { number }) => {
    calls[number]!++;
    return x;
  });
  const trials = await drain(study.run(objective));
  expect(calls).toEqual([5, 1, 1]);
  expect(trials.map(({ state }) => state)).toEqual(['complete', 'pruned', 'pruned']);
});

test('several objectives are averaged one by one, and not reported', async () => {
  const set = await numbered();
  const study = await tune.study(tune.memory(), { ...grid(), directions: ['minimize', 'maximize'] });
  const objective = tune.crossValidation<{ x: number }>(set, ({ x }, { number }) => [x, number], {
    folds: 2,
  });
  const [first] = await drain(study.run(objective, { trials: 1 }));
  expect(first).toMatchObject({ state: 'complete', values: [0, 0.5], reports: [] });
  expect(first!.attributes['crossValidation']).toEqual({
    values: [
      [0, 0],
      [0, 1],
    ],
    mean: [0, 0.5],
    deviation: [0, Math.SQRT1_2],
  });
});

test.each([
  ['NaN', NaN, 'failed', 'fold 1: the objective returned NaN'],
  ['nothing', undefined, 'failed', 'fold 1: the objective returned undefined, not a number'],
  ['more than before', [1, 2], 'failed', 'fold 1: the objective returned [1, 2], not a number'],
])('a fold that returns %s fails the trial', async (_, value, state, error) => {
  const study = await tune.study(tune.memory(), grid());
  const objective = tune.crossValidation(await numbered(), (_params, { number }) =>
    number === 1 ? (value as number) : 1,
  );
  const [trial] = await drain(study.run(objective, { trials: 1 }));
  expect([trial!.state, trial!.notes['tenon:error']]).toEqual([state, error]);
});

test('rules see what is not finite', async () => {
  const study = await tune.study(tune.memory(), { ...grid(), rules: [tune.diverged()] });
  const objective = tune.crossValidation(await numbered(), (_, { number }) => (number < 2 ? 1 : Infinity));
  const [trial] = await drain(study.run(objective, { trials: 1 }));
  expect([trial!.state, trial!.notes['tenon:reason']]).toEqual(['pruned', 'the report is Infinity']);
});

test('each fold has a folder, and continues that of its own', async () => {
  const strategy = tune.successiveHalving({ maxResource: 3, trials: 3 });
  const study = await tune.study(join(dir, 'folders'), { space, strategy });
  const continued: string[] = [];
  const objective = tune.crossValidation<{ x: number }>(
    await numbered(),
    ({ x }, { number }, trial) => {
      if (trial.continues !== undefined) continued.push(trial.continues);
      if (number === 1) writeFileSync(join(trial.folder!, 'checkpoint'), '');
      return x;
    },
    { folds: 2 },
  );
  await drain(study.run(objective));
  const [last] = study.trials.filter(({ notes }) => notes['tenon:continues'] !== undefined);
  const before = String(Number(last!.notes['tenon:continues'])).padStart(4, '0');
  expect(continued).toEqual([join(study.folder!, 'trials', before, 'fold1')]);
  await study.close();
});

test('a part is held out, the same in all trials, with all that a trial can do', async () => {
  const seen: number[][] = [];
  const study = await tune.study(tune.memory(), grid());
  const objective = tune.holdOut<{ x: number }>(
    await numbered(),
    async ({ x }, { train, validation }, trial) => {
      seen.push(await contents(validation));
      expect(train.length).toBe(7);
      await trial.report(1, x);
      return x;
    },
    { share: 0.3, seed: 1 },
  );
  const trials = await drain(study.run(objective));
  expect(seen).toEqual([seen[0], seen[0], seen[0]]);
  expect(seen[0]).toHaveLength(3);
  expect(trials.map(({ value, reports }) => [value, reports.length])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

test('groups stay together', async () => {
  const set = await numbered();
  const groups = Array.from({ length: set.length }, (_, i) => i >> 1);
  const seen: number[][] = [];
  const look = async (_: unknown, { validation }: data.Fold) => {
    seen.push(await contents(validation));
    return 0;
  };
  for (const objective of [
    tune.holdOut<{ x: number }>(set, look, { share: 0.4, groups }),
    tune.crossValidation<{ x: number }>(set, look, { folds: 2, groups }),
  ]) {
    const study = await tune.study(tune.memory(), grid());
    await drain(study.run(objective, { trials: 1 }));
  }
  expect(seen.map(({ length }) => length)).toEqual([4, 6, 4]);
  for (const part of seen) for (const sample of part) expect(part).toContain(sample ^ 1);
});

test('what cannot be divided is refused at the call', async () => {
  const set = await numbered();
  const one = (): number => 1;
  const calls: [() => unknown, string][] = [
    [() => tune.crossValidation({} as never, one), 'tune.crossValidation: data must be a Dataset'],
    [() => tune.crossValidation(set, 1 as never), 'tune.crossValidation: objective must be a function'],
    [() => tune.crossValidation(set, one, { fold: 3 } as never), 'did you mean "folds"?'],
    [() => tune.crossValidation(set, one, { folds: 1 }), 'folds: k must be at least 2, got 1'],
    [() => tune.crossValidation(set, one, { folds: 11 }), 'folds: 11 folds need as many samples'],
    [() => tune.crossValidation(set, one, { folds: 6, stratified: true }), 'class "0" has 5'],
    [() => tune.holdOut(set, one, { share: 1 }), 'holdOut: share must be above 0 and below 1'],
    [() => tune.holdOut(set, one, { folds: 2 } as never), 'tune.holdOut: unknown option "folds"'],
  ];
  for (const [call, message] of calls) expect(call).toThrow(message);
});
