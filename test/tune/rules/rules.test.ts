import { tune } from '../../../lib';
import { rules } from '../../../lib/tune/rules/registry';
import type { Rule, RuleState } from '../../../lib/tune/rules/rule';
import type { Direction, TrialRecord } from '../../../lib/tune/study/trial';
import { trialOf } from '../strategies/harness';

/** A trial that reported these values at the steps 1, 2, ... */
const reported = (number: number, values: readonly number[], more: Partial<TrialRecord> = {}): TrialRecord =>
  trialOf(number, [], {}, { reports: values.map((value, i) => ({ step: i + 1, value })), ...more });

function stops(
  rule: Rule,
  values: readonly number[],
  { direction = 'minimize', others = [] }: { direction?: Direction; others?: readonly TrialRecord[] } = {},
): string | undefined {
  const trial = reported(others.length, values, { state: 'running' });
  const state: RuleState = { trial, trials: [...others, trial], direction };
  return rule.stops(state);
}

describe('tune.diverged', () => {
  it('stops above 3 x the first report', () => {
    expect(stops(tune.diverged(), [2, 1, 6])).toBeUndefined();
    expect(stops(tune.diverged(), [2, 1, 6.5])).toBe('6.5 is above 3 x the first report, 2');
    expect(stops(tune.diverged({ factor: 1.5 }), [2, 3.1])).toBe('3.1 is above 1.5 x the first report, 2');
    expect(stops(tune.diverged(), [])).toBeUndefined();
  });

  it('stops at NaN and infinities, and where values are maximized only there', () => {
    for (const direction of ['minimize', 'maximize'] as const) {
      expect(stops(tune.diverged(), [NaN], { direction })).toBe('the report is NaN');
      expect(stops(tune.diverged(), [1, -Infinity], { direction })).toBe('the report is -Infinity');
    }
    expect(stops(tune.diverged(), [0.1, 0.9], { direction: 'maximize' })).toBeUndefined();
  });

  it('holds nothing against a first report of 0 or less, or one that is NaN', () => {
    expect(stops(tune.diverged(), [0, 100])).toBeUndefined();
    expect(stops(tune.diverged(), [-1, 100])).toBeUndefined();
    expect(stops(tune.diverged(), [NaN, 100])).toBeUndefined();
  });
});

describe('tune.median and tune.percentile', () => {
  const others = [1, 2, 3, 4, 5].map((value, i) => reported(i, [value, value]));

  it('say what the best report was held against', () => {
    expect(stops(tune.median(), [3.5], { others })).toBe(
      'its best report, 3.5, is worse than the median of others at step 1, 3',
    );
    expect(stops(tune.percentile({ percentile: 25 }), [3], { others })).toBe(
      'its best report, 3, is worse than the percentile 25 of others at step 1, 2',
    );
    expect(stops(tune.median(), [3, 9], { others })).toBeUndefined();
    expect(stops(tune.median(), [NaN], { others })).toBe('all of its reports are NaN');
  });

  it('count complete trials alone', () => {
    const pruned = others.map((trial) => ({ ...trial, state: 'pruned' as const }));
    expect(stops(tune.median({ startup: 0 }), [9], { others: pruned })).toBeUndefined();
  });

  it('take infinities as values', () => {
    const infinite = [1, 2, 3, Infinity, Infinity].map((value, i) => reported(i, [value]));
    expect(stops(tune.median(), [3.5], { others: infinite })).toMatch('of others at step 1, 3');
  });
});

describe('tune.asha', () => {
  it('places the first rung at a hundredth of the first complete trial', () => {
    const first = reported(0, Array<number>(300).fill(1), { ended: 5 });
    const others = [first, reported(1, Array<number>(1200).fill(1), { ended: 9 })];
    const rule = tune.asha({ reductionFactor: 2 });
    expect(stops(rule, [2, 2], { others })).toBeUndefined();
    expect(stops(rule, [2, 2, 2], { others })).toBe(
      'rung 0, step 3: 2 is not among the best 1 of 2, which end at 1',
    );
    expect(stops(rule, [2, 2, 2], { others: [first] })).toBeUndefined();
    expect(stops(rule, [2, 2, 2])).toBeUndefined();
  });

  it('counts a trial that was stopped by a report over several rungs at the first of them', () => {
    const far = trialOf(0, [], {}, { state: 'pruned', reports: [{ step: 4, value: 0 }] });
    const rule = tune.asha({ minResource: 1, reductionFactor: 2 });
    const passed = reported(1, [0], { state: 'running' });
    // At rung 0 it is one of the best two of four; at rung 1 it is alone.
    const others = [far, passed, reported(2, [9], { state: 'pruned' })];
    expect(stops(rule, [0, 1], { others })).toBeUndefined();
  });

  it('needs minResource for bootstrapCount', () => {
    expect(() => tune.asha({ bootstrapCount: 1 })).toThrow('tune.asha: bootstrapCount needs minResource');
  });
});

it('lists the rules by name, with their settings', () => {
  expect(Object.keys(rules)).toEqual(['diverged', 'median', 'percentile', 'asha']);
  expect(rules['median']!({ warmup: 2 })).toMatchObject({
    name: 'median',
    settings: { startup: 5, warmup: 2, interval: 1, minTrials: 1 },
  });
  expect(() => rules['percentile']!()).toThrow('tune.percentile: percentile must be a number from 0 to 100');
  expect(() => rules['median']!({ warmpu: 2 })).toThrow('did you mean');
});
