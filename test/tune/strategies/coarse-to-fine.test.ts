import { tune } from '../../../lib';
import type { Json } from '../../../lib/settings';
import type { TrialRecord } from '../../../lib/tune/study/trial';
import { choice, real, search, space, stateOf, suggested, trialOf, whole } from './harness';

const dimensions = space({
  lr: real(1e-6, 1e-2, { log: true }),
  layers: whole(1, 9),
  act: choice('relu', 'gelu', 'tanh'),
  'act.1.x': real(0, 1),
});

type Note = {
  readonly stage: number;
  readonly budget: number;
  readonly ranges: Readonly<Record<string, Json>>;
};

const noteOf = ({ notes }: Pick<TrialRecord, 'notes'>): Note => notes['tenon:coarseToFine'] as Note;

const strategy = tune.coarseToFine({ seed: 1, trials: [40, 20, 10], budgets: [5, 10, 30] });
const budgets: (number | undefined)[] = [];
const trials = search(
  strategy,
  dimensions,
  ({ lr, act }, { budget }) => {
    budgets.push(budget);
    return Math.abs(Math.log10(lr!) + 4) + (act === 2 ? 1 : 0);
  },
  1000,
);
const stage = (n: number): TrialRecord[] => trials.filter((trial) => noteOf(trial).stage === n);

it('runs stages of so many trials with their budgets, and ends', () => {
  expect([1, 2, 3].map((n) => stage(n).length)).toEqual([40, 20, 10]);
  expect(budgets).toEqual([...Array<number>(40).fill(5), ...Array<number>(20).fill(10), ...Array<number>(10).fill(30)]); // prettier-ignore
  expect(noteOf(trials[40]!)).toMatchObject({ stage: 2, budget: 10 });
});

it('narrows ranges to those of the best tenth and a tenth of the width before', () => {
  const sorted = [...stage(1)].sort((a, b) => a.values![0]! - b.values![0]!).slice(0, 4);
  const places = sorted.map(({ point }) => Math.log10(point['lr']!));
  const [low, high] = noteOf(trials[40]!).ranges['lr'] as [number, number];
  expect(Math.log10(low)).toBeCloseTo(Math.max(-6, Math.min(...places) - 0.4), 10);
  expect(Math.log10(high)).toBeCloseTo(Math.min(-2, Math.max(...places) + 0.4), 10);
  for (const { point } of stage(2)) {
    expect(point['lr']).toBeGreaterThanOrEqual(low * (1 - 1e-12));
    expect(point['lr']).toBeLessThanOrEqual(high * (1 + 1e-12));
  }
  const [finest, widest] = noteOf(trials[60]!).ranges['lr'] as [number, number];
  expect(finest).toBeGreaterThanOrEqual(low);
  expect(widest).toBeLessThanOrEqual(high);
});

it('keeps the choices among the best', () => {
  const left = noteOf(trials[40]!).ranges['act'] as string[];
  expect(left).not.toContain('tanh');
  expect(stage(2).some(({ point }) => point['act'] === 2)).toBe(false);
});

it('begins with the whole ranges', () => {
  expect(noteOf(trials[0]!).ranges).toEqual({
    lr: [1e-6, 1e-2].map((value) => expect.closeTo(value, 12) as number),
    layers: [1, 9],
    act: ['relu', 'gelu', 'tanh'],
    'act.1.x': [0, 1],
  });
});

it('is a function of the seed and the trials', () => {
  const again = search(strategy, dimensions, () => 0, 1000, { trials: trials.slice(0, 45) });
  expect(again[45]!.point).toEqual(trials[45]!.point);
});

it('waits for the trials of a stage before the next', () => {
  const running = trials.slice(0, 40).map((trial, i) => (i === 7 ? trialOf(7, dimensions, trial.point, { state: 'running', notes: trial.notes }) : trial)); // prettier-ignore
  expect(strategy.suggest(stateOf(strategy, dimensions, { trials: running }))).toBe('wait');
  const unrecorded = [...trials.slice(0, 39), trialOf(39, dimensions, {}, { state: 'running' })];
  expect(strategy.suggest(stateOf(strategy, dimensions, { trials: unrecorded }))).toBe('wait');
  const fixed = suggested(strategy, dimensions, { trials: running, fixed: { lr: 1e-5 } });
  expect(fixed.point['lr']).toBe(1e-5);
  expect(fixed.budget).toBe(5);
});

it('counts failed trials, but not those whose worker died', () => {
  const one = (notes: Record<string, Json>): unknown => {
    const failed = trialOf(
      39,
      dimensions,
      {},
      { state: 'failed', notes: { ...trials[39]!.notes, ...notes } },
    );
    const next = suggested(strategy, dimensions, { trials: [...trials.slice(0, 39), failed] });
    return noteOf({ notes: next.notes! }).stage;
  };
  expect(one({})).toBe(2);
  expect(one({ 'tenon:lost': true })).toBe(1);
});

it('refuses several objectives, and stages that differ in number', () => {
  expect(() => strategy.check(dimensions, ['minimize', 'minimize'])).toThrow(/searches for one objective/);
  expect(() => tune.coarseToFine({ trials: [3], budgets: [1, 2] })).toThrow(
    /one entry for each stage, got 1 and 2/,
  );
  expect(() => tune.coarseToFine({ trials: [], budgets: [] })).toThrow(/one entry/);
  expect(() => tune.coarseToFine({ top: 0 })).toThrow(/top/);
});
