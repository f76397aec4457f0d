/** Promotions against algorithm 2 of Li et al. 2020, written down anew with whole numbers for losses. */
import { tune } from '../../../lib';
import type { Strategy, Suggestion } from '../../../lib/tune/strategies/strategy';
import type { TrialRecord, TrialState } from '../../../lib/tune/study/trial';
import { real, space, stateOf, trialOf } from './harness';

const dimensions = space({ x: real(0, 1) });

/** Whole numbers that look random, and differ. */
const lossOf = (number: number): number => (number * 7919 + 13) % 10007;
/** How long a trial takes, and what becomes of it. */
const durationOf = (number: number): number => 1 + ((number * 31) % 7);
const FATES: readonly TrialState[] = ['complete', 'complete', 'complete', 'failed', 'complete', 'pruned'];

interface Settings {
  readonly workers: number;
  readonly count: number;
  readonly factor: number;
  readonly fates?: readonly TrialState[];
}

/**
 * What each worker is told, in order: the number of the trial to promote and its new rung; -1 for a new one.
 */
type Told = readonly [continues: number, rung: number];

/** Workers that take trials as soon as they are free, by a clock of whole numbers. */
function simulate({ workers, count, fates = ['complete'] }: Settings, tell: (now: readonly Ended[]) => Told) {
  const told: Told[] = [];
  const ended: Ended[] = [];
  const running: { number: number; at: number; rung: number }[] = [];
  for (let clock = 0; told.length < count; clock++) {
    for (const { number, rung } of running.filter(({ at }) => at === clock))
      ended.push({ number, rung, state: fates[number % fates.length]! });
    running.splice(0, running.length, ...running.filter(({ at }) => at > clock));
    while (running.length < workers && told.length < count) {
      const number = told.length;
      const job = tell(ended);
      told.push(job);
      running.push({ number, at: clock + durationOf(number), rung: job[1] });
    }
  }
  return told;
}

interface Ended {
  readonly number: number;
  readonly rung: number;
  readonly state: TrialState;
}

/** The paper's get_job. */
function reference(settings: Settings, rungs: number): readonly Told[] {
  const promoted = new Set<number>();
  return simulate(settings, (ended) => {
    for (let k = rungs - 2; k >= 0; k--) {
      const there = ended.filter(({ rung }) => rung === k);
      const complete = there.filter(({ state }) => state === 'complete').map(({ number }) => number);
      const top = complete.sort((a, b) => lossOf(a) - lossOf(b)).slice(0, Math.floor(there.length / settings.factor)); // prettier-ignore
      const next = top.find((number) => !promoted.has(number));
      if (next === undefined) continue;
      promoted.add(next);
      return [next, k + 1];
    }
    return [-1, 0];
  });
}

function placeOf({ notes }: Suggestion): { rung: number; budget: number } {
  return notes!['tenon:successiveHalving'] as { rung: number; budget: number };
}

/** The same with the strategy, which sees trials that run as running. */
function ours(strategy: Strategy, settings: Settings): { told: readonly Told[]; trials: TrialRecord[] } {
  const trials: TrialRecord[] = [];
  const told = simulate(settings, (ended) => {
    for (const { number, state } of ended) trials[number] = { ...trials[number]!, state };
    const suggestion = strategy.suggest(stateOf(strategy, dimensions, { trials }));
    if (typeof suggestion !== 'object') throw new Error(`it has nothing to do: ${String(suggestion)}`);
    const { point, continues, budget, notes } = suggestion;
    const own = { 'tenon:budget': budget!, ...(continues !== undefined && { 'tenon:continues': continues }) };
    const values = [lossOf(trials.length)];
    const more = { state: 'running' as const, values, notes: { ...notes, ...own } };
    trials.push(trialOf(trials.length, dimensions, point, more));
    return [continues ?? -1, placeOf(suggestion).rung];
  });
  return { told, trials };
}

describe('tune.successiveHalving, asynchronous', () => {
  const make = (factor: number): Strategy =>
    tune.successiveHalving({
      seed: 4,
      asynchronous: true,
      maxResource: factor ** 3,
      reductionFactor: factor,
    });

  it.each([
    { workers: 1, count: 120, factor: 3 },
    { workers: 5, count: 200, factor: 3 },
    { workers: 25, count: 200, factor: 4 },
    { workers: 4, count: 200, factor: 2, fates: FATES },
  ])('promotes as the paper does, and never waits: %j', (settings) => {
    const { told, trials } = ours(make(settings.factor), settings);
    expect(told).toEqual(reference(settings, 4));
    expect(new Set(told.map(([, rung]) => rung))).toEqual(new Set([0, 1, 2, 3]));
    for (const [number, [continues, rung]] of told.entries()) {
      expect(trials[number]!.notes['tenon:budget']).toBe(settings.factor ** rung);
      if (continues >= 0) expect(trials[number]!.point).toEqual(trials[continues]!.point);
    }
  });

  it('is a function of the seed with one worker', () => {
    const settings = { workers: 1, count: 60, factor: 3 };
    expect(ours(make(3), settings)).toEqual(ours(make(3), settings));
  });

  it('ends after a number of new points, and waits only for what may still be promoted', () => {
    const strategy = tune.successiveHalving({ asynchronous: true, trials: 9, maxResource: 9 });
    const next = (trials: readonly TrialRecord[]) =>
      strategy.suggest(stateOf(strategy, dimensions, { trials }));
    const { trials } = ours(strategy, { workers: 1, count: 13, factor: 3 });
    const done = trials.map((trial) => ({ ...trial, state: 'complete' as const }));
    expect(done.map(({ notes }) => notes['tenon:budget']).sort()).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9]); // prettier-ignore
    expect(next(done)).toBeUndefined();
    const last = done.findLastIndex(({ notes }) => notes['tenon:budget'] === 1);
    const runs = (number: number) => done.map((one, i) => (i === number ? { ...one, state: 'running' as const } : one)); // prettier-ignore
    expect(next(runs(last))).toBe('wait');
    // Nothing is promoted from the highest rung.
    expect(next(runs(done.findIndex(({ notes }) => notes['tenon:budget'] === 9)))).toBeUndefined();
  });

  it('says whose checkpoints may still be continued, also where promotions turn out wrong', () => {
    const strategy = tune.successiveHalving({ asynchronous: true, trials: 27, maxResource: 27 });
    const trials: TrialRecord[] = [];
    for (let begun = 0; ;) {
      const suggestion = strategy.suggest(stateOf(strategy, dimensions, { trials }));
      if (typeof suggestion !== 'object') break;
      const { point, continues, notes } = suggestion;
      const may = strategy.mayContinue!({ trials, directions: ['minimize'] }).map(({ number }) => number);
      if (continues !== undefined) expect(may).toContain(continues);
      // Each three new points are better than all before, and the first of them is the best.
      const values = continues === undefined ? [2 * (begun % 3) - begun++] : trials[continues]!.values!;
      const own: TrialRecord['notes'] = continues === undefined ? {} : { 'tenon:continues': continues };
      trials.push(trialOf(trials.length, dimensions, point, { values, notes: { ...notes, ...own } }));
    }
    const rungs = trials.map(({ notes }) => (notes['tenon:successiveHalving'] as { rung: number }).rung);
    // More than the 9 and 3 of a rung that waits.
    expect(rungs.filter((rung) => rung === 1).length).toBeGreaterThan(9);
    expect(rungs.filter((rung) => rung === 2).length).toBeGreaterThan(3);
  });

  it('takes what was enqueued as a new trial, though there is one to promote', () => {
    const strategy = make(3);
    const { trials } = ours(strategy, { workers: 1, count: 3, factor: 3 });
    const done = trials.map((trial) => ({ ...trial, state: 'complete' as const }));
    const next = (fixed?: { x: number }) =>
      strategy.suggest(stateOf(strategy, dimensions, { trials: done, ...(fixed && { fixed }) }));
    expect(next()).toMatchObject({ budget: 3 });
    expect(next({ x: 0.5 })).toMatchObject({ point: { x: 0.5 }, budget: 1 });
  });

  it('has one round', () => {
    expect(() => tune.successiveHalving({ asynchronous: true, rounds: 2 })).toThrow(
      'tune.successiveHalving: an asynchronous search has one round, got rounds: 2',
    );
  });
});
