import { tune } from '../../../lib';
import type { Point } from '../../../lib/tune/space/dimension';
import type { Strategy, Suggestion } from '../../../lib/tune/strategies/strategy';
import type { TrialRecord, TrialState } from '../../../lib/tune/study/trial';
import { real, space, stateOf, suggested, trialOf } from './harness';

const dimensions = space({ x: real(0, 1) });

/** The trial that a suggestion becomes, in a study. */
function begun(number: number, suggestion: Suggestion, more: Partial<TrialRecord> = {}): TrialRecord {
  const { point, budget, continues, notes } = suggestion;
  const own = {
    'tenon:budget': budget ?? 0,
    ...(continues !== undefined && { 'tenon:continues': continues }),
  };
  return trialOf(number, dimensions, point, { notes: { ...notes, ...own }, ...more });
}

/** Trials one after the other; the value is x, unless `state` says that there is none. */
function run(
  strategy: Strategy,
  count: number,
  state: (number: number, point: Point) => TrialState = () => 'complete',
): TrialRecord[] {
  const trials: TrialRecord[] = [];
  strategy.check(dimensions, ['minimize']);
  for (let number = 0; number < count; number++) {
    const suggestion = strategy.suggest(stateOf(strategy, dimensions, { trials }));
    if (suggestion === undefined) break;
    if (suggestion === 'wait') throw new Error(`waits at ${number}, where no trial runs`);
    const { point } = suggestion;
    trials.push(begun(number, suggestion, { state: state(number, point), values: [point['x']!] }));
  }
  return trials;
}

const budgets = (trials: readonly TrialRecord[]): unknown[] =>
  trials.map(({ notes }) => notes['tenon:budget']);
const times = (count: number, value: number): number[] => Array<number>(count).fill(value);

describe('tune.successiveHalving', () => {
  const strategy = tune.successiveHalving({ seed: 2, maxResource: 9 });
  const trials = run(strategy, 100);

  it('promotes the best third of each rung, which continue their checkpoints, and ends', () => {
    expect(budgets(trials)).toEqual([...times(9, 1), ...times(3, 3), 9]);
    const best = [...trials.slice(0, 9)].sort((a, b) => a.point['x']! - b.point['x']!).slice(0, 3);
    expect(trials.slice(9, 12).map(({ notes }) => notes['tenon:continues'])).toEqual(
      best.map(({ number }) => number),
    );
    expect(trials.slice(9, 12).map(({ point }) => point)).toEqual(best.map(({ point }) => point));
    expect(trials[12]!.notes).toMatchObject({
      'tenon:continues': 9,
      'tenon:successiveHalving': { round: 0, bracket: 2, rung: 2, budget: 9 },
    });
  });

  it('says whose checkpoints may still be continued', () => {
    for (const count of [3, 9, 10, 12, 13]) {
      const seen = trials.slice(0, count);
      const may = strategy
        .mayContinue?.({ trials: seen, directions: ['minimize'] })
        .map(({ number }) => number);
      const later = trials.slice(count).map(({ notes }) => notes['tenon:continues'] as number);
      expect(may).toEqual(expect.arrayContaining(later.filter((number) => number < count)));
      // The best three of the first rung and the best of the second, but for those that were promoted.
      expect(may).toHaveLength({ 3: 3, 9: 3, 10: 3, 12: 1, 13: 0 }[count]!);
    }
  });

  it('waits while a rung runs', () => {
    const running = trials
      .slice(0, 9)
      .map((trial) => (trial.number === 4 ? { ...trial, state: 'running' as const } : trial));
    expect(strategy.suggest(stateOf(strategy, dimensions, { trials: running }))).toBe('wait');
  });

  it('is not held up by failed and pruned trials, and does not promote them', () => {
    const hurt = run(strategy, 100, (number) =>
      number < 7 ? (number % 2 ? 'pruned' : 'failed') : 'complete',
    );
    expect(budgets(hurt)).toEqual([...times(9, 1), 3, 3, 9]);
    expect(hurt.slice(9, 11).map(({ notes }) => Number(notes['tenon:continues'])).sort()).toEqual([7, 8]); // prettier-ignore
    expect(budgets(run(strategy, 100, () => 'failed'))).toEqual(times(9, 1));
  });

  it('gives a trial that is tried again the place of the lost one', () => {
    const lost = trials
      .slice(0, 9)
      .map((trial) => (trial.number === 3 ? { ...trial, state: 'failed' as const } : trial));
    const again = { ...trials[3]!, number: 9, notes: { ...trials[3]!.notes, 'tenon:retryOf': 3 } };
    const waiting = [...lost, { ...again, state: 'waiting' as const }];
    expect(strategy.suggest(stateOf(strategy, dimensions, { trials: waiting }))).toBe('wait');
    const done = [...lost, again];
    const { continues } = suggested(strategy, dimensions, { trials: done });
    expect([...trials.slice(0, 9)].sort((a, b) => a.point['x']! - b.point['x']!)[0]!.number).not.toBe(3);
    expect(continues).toBe(trials[9]!.notes['tenon:continues']);
  });

  it('takes an enqueued trial as a new one, or lets it run to the end', () => {
    const fixed = { x: 0.5 };
    expect(suggested(strategy, dimensions, { fixed })).toMatchObject({ point: fixed, budget: 1 });
    const late = suggested(strategy, dimensions, { fixed, trials });
    expect(late).toMatchObject({ point: fixed, budget: 9 });
    expect(late.notes).toBeUndefined();
  });

  it('begins anew for each round', () => {
    const twice = run(tune.successiveHalving({ maxResource: 3, rounds: 2, trials: 6 }), 100);
    expect(budgets(twice)).toEqual([...times(6, 1), 3, 3, ...times(6, 1), 3, 3]);
  });
});

describe('tune.hyperband', () => {
  it('runs the brackets of the paper for R = 81, factor 3', () => {
    const trials = run(tune.hyperband({ rounds: 1 }), 1000);
    // Table 1 of Li et al. 2018.
    expect(budgets(trials)).toEqual([
      ...[...times(81, 1), ...times(27, 3), ...times(9, 9), ...times(3, 27), ...times(1, 81)],
      ...[...times(34, 3), ...times(11, 9), ...times(3, 27), ...times(1, 81)],
      ...[...times(15, 9), ...times(5, 27), ...times(1, 81)],
      ...[...times(8, 27), ...times(2, 81)],
      ...times(5, 81),
    ]);
  });

  it('begins the next bracket while a rung runs', () => {
    const strategy = tune.hyperband({ maxResource: 3 });
    const trials = Array.from({ length: 3 }, (_, i) => i).reduce<TrialRecord[]>(
      (before, number) => [
        ...before,
        begun(number, suggested(strategy, dimensions, { trials: before }), { state: 'running' }),
      ],
      [],
    );
    expect(suggested(strategy, dimensions, { trials })).toMatchObject({
      budget: 3,
      notes: { 'tenon:hyperband': { round: 0, bracket: 0, rung: 0 } },
    });
  });

  it('learns from the highest budget with enough trials, where TPE suggests', () => {
    const strategy = tune.hyperband({
      seed: 1,
      maxResource: 27,
      base: tune.tpe({ startup: 5 }),
      randomFraction: 0,
      observations: 5,
    });
    const trials = run(strategy, 400);
    const fresh = trials.filter(({ notes }) => notes['tenon:continues'] === undefined).slice(-30);
    const mean = fresh.reduce((sum, { point }) => sum + point['x']! / fresh.length, 0);
    expect(mean).toBeLessThan(0.25);
    expect(run(strategy, 60).map(({ point }) => point)).toEqual(
      trials.slice(0, 60).map(({ point }) => point),
    );
  });

  it.each([0, 0.5, 1])('draws the share %d of new points at random', (randomFraction) => {
    // Where the base always suggests the same point, the others are those drawn.
    const base = { ...tune.tpe(), suggest: () => ({ point: { x: 2 } }) };
    const trials = run(tune.hyperband({ maxResource: 1, base, randomFraction }), 400);
    const drawn = trials.filter(({ point }) => point['x']! < 1).length / 400;
    expect(Math.abs(drawn - randomFraction)).toBeLessThan(randomFraction === 0.5 ? 0.1 : 1e-9);
  });

  it('lets a Gaussian process suggest', () => {
    const settings = { maxResource: 3, base: tune.gp({ startup: 5 }), randomFraction: 0, observations: 5 };
    const trials = run(tune.hyperband(settings), 30);
    const late = trials.slice(15).filter(({ notes }) => notes['tenon:continues'] === undefined);
    expect(Math.min(...late.map(({ point }) => point['x']!))).toBe(0);
  });

  it('refuses bad settings', () => {
    expect(() => tune.hyperband({ minResource: 9, maxResource: 3 })).toThrow('tune.hyperband: minResource must not be above maxResource, got 9 and 3'); // prettier-ignore
    expect(() => tune.hyperband({ base: tune.grid({ points: 3 }) })).toThrow(
      'base must be one of random, tpe, gp, or a strategy that tune.random or tune.tpe or tune.gp made',
    );
    expect(() => tune.hyperband({ randomFraction: 2 })).toThrow(
      'randomFraction must be a number from 0 to 1',
    );
    expect(() => tune.hyperband().check(dimensions, ['minimize', 'maximize'])).toThrow('one objective');
    expect(tune.hyperband({ base: 'tpe' }).settings).toMatchObject({ base: { name: 'tpe', startup: 10 } });
  });
});
