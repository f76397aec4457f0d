import { tune } from '../../../lib';
import { reportsOf } from '../../../lib/tune/rules/chain';
import type { Rule, RuleState } from '../../../lib/tune/rules/rule';
import type { TrialRecord } from '../../../lib/tune/study/trial';
import { trialOf } from '../strategies/harness';

/** A trial that reported `values` at the steps from `first` on. */
function reported(
  number: number,
  first: number,
  values: readonly number[],
  { continues, ...more }: Partial<TrialRecord> & { readonly continues?: number } = {},
): TrialRecord {
  const notes: TrialRecord['notes'] = continues === undefined ? {} : { 'tenon:continues': continues };
  const reports = values.map((value, i) => ({ step: first + i, value }));
  return trialOf(number, [], {}, { reports, notes, ...more });
}

const valuesOf = (trials: readonly TrialRecord[]): number[] =>
  reportsOf(trials.at(-1)!, trials).map(({ value }) => value);

describe('the reports of a trial that continues another', () => {
  it('come behind those of the other', () => {
    const first = reported(0, 1, [1]);
    const second = reported(1, 2, [2, 3], { continues: 0 });
    expect(valuesOf([first, second, reported(2, 4, [4, 5], { continues: 1 })])).toEqual([1, 2, 3, 4, 5]);
    expect(valuesOf([first, second])).toEqual([1, 2, 3]);
    expect(valuesOf([first, reported(1, 2, [], { continues: 0 })])).toEqual([1]);
  });

  it('stand alone where it has begun anew', () => {
    expect(valuesOf([reported(0, 1, [1, 2]), reported(1, 1, [7, 8, 9], { continues: 0 })])).toEqual([
      7, 8, 9,
    ]);
  });

  it('replace those behind the checkpoint of a lost trial, which continued another one', () => {
    const lost = reported(1, 2, [2, 3, 4], { continues: 0, state: 'failed' });
    const notes = { ...lost.notes, 'tenon:retryOf': 1 };
    expect(valuesOf([reported(0, 1, [1]), lost, reported(2, 4, [40, 5], { notes })])).toEqual([
      1, 2, 3, 40, 5,
    ]);
  });

  it.each([1, 7, -1, 0.5, 'zero'])('are its own where it claims to continue %s', (wrong) => {
    const notes = { 'tenon:continues': wrong };
    expect(valuesOf([reported(0, 1, [1]), reported(1, 2, [2], { notes })])).toEqual([2]);
  });
});

describe('tune.asha', () => {
  const rule = tune.asha({ minResource: 1, reductionFactor: 2 });
  const state = (trials: readonly TrialRecord[]): RuleState => {
    const trial = { ...trials.at(-1)!, reports: reportsOf(trials.at(-1)!, trials) };
    return { trial, trials, direction: 'minimize' };
  };

  it('counts a training once at a rung, however many trials it is made of', () => {
    // At rung 0 there are 1, 3, 4 and the new 2. The promoted ones have not completed it again.
    const first = [1, 3, 4].map((value, i) => reported(i, 1, [value]));
    const promoted = [reported(3, 2, [0.1], { continues: 0 }), reported(4, 2, [0.2], { continues: 1 })];
    expect(rule.stops(state([...first, ...promoted, reported(5, 1, [2])]))).toBeUndefined();
    expect(rule.stops(state([...first, ...promoted, reported(5, 1, [3.5])]))).toBe(
      'rung 0, step 1: 3.5 is not among the best 2 of 4, which end at 3',
    );
  });

  it('judges a promoted trial at the rungs behind its promotion', () => {
    const trials = [reported(0, 1, [1]), reported(1, 1, [2]), reported(2, 2, [5], { continues: 0 })];
    expect(rule.stops(state([...trials, reported(3, 2, [6], { continues: 1 })]))).toBe(
      'rung 1, step 2: 6 is not among the best 1 of 2, which end at 5',
    );
    expect(rule.stops(state([...trials, reported(3, 2, [4], { continues: 1 })]))).toBeUndefined();
  });
});

it('a study shows its rules the reports from the beginning of the training', async () => {
  const seen: number[][] = [];
  const rule: Rule = {
    name: 'watch',
    settings: {},
    stops: ({ trial }) => void seen.push(trial.reports.map(({ step }) => step)),
  };
  const study = await tune.study(tune.memory(), {
    space: { x: tune.uniform(0, 1) },
    strategy: tune.successiveHalving({ maxResource: 4, reductionFactor: 2 }),
    rules: [rule],
  });
  const objective: tune.Objective<{ x: number }> = async ({ x }, trial) => {
    const budget = trial.budget!;
    for (let step = Math.floor(budget / 2) + 1; step <= budget; step++) await trial.report(step, x);
    return x;
  };
  for await (const { state } of study.run(objective)) expect(state).toBe('complete');
  const rungs = [
    ...Array<number[][]>(4).fill([[1]]),
    [[1, 2]],
    [[1, 2]],
    [
      [1, 2, 3],
      [1, 2, 3, 4],
    ],
  ];
  expect(seen).toEqual(rungs.flat());
});
