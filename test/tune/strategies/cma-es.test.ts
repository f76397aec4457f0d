import { tune } from '../../../lib';
import type { Json } from '../../../lib/settings';
import type { Point } from '../../../lib/tune/space/dimension';
import { begin, update, usualPopulation } from '../../../lib/tune/strategies/cma-distribution';
import { eigenOf } from '../../../lib/tune/strategies/eigen';
import { keepMargins, withMargin, type Widened } from '../../../lib/tune/strategies/margin';
import { cdf } from '../../../lib/tune/strategies/normal';
import type { Strategy } from '../../../lib/tune/strategies/strategy';
import type { TrialRecord } from '../../../lib/tune/study/trial';
import { values as reference } from '../../fixtures/cma_es.json';
import { choice, real, search, space, suggested, trialOf, whole } from './harness';

type Note = { readonly generation: number; readonly drawn: Record<string, Json>; readonly parents: number[] };
const noteOf = ({ notes }: TrialRecord): Note | undefined => notes['tenon:cmaEs'] as Note | undefined;

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 10));
}

it.each(reference.paths)(
  'updates its distribution as the package cmaes does: $dimensions dimensions',
  (one) => {
    let distribution = begin(one.mean, one.sigma);
    expect(usualPopulation(one.dimensions)).toBe(one.generations[0]!.points.length);
    for (const { points, mean, sigma, covariance } of one.generations) {
      distribution = update(distribution, points);
      expectClose(distribution.mean, mean);
      expect(distribution.sigma).toBeCloseTo(sigma, 10);
      expectClose(distribution.covariance.flat(), covariance.flat());
    }
  },
);

it('finds eigenvectors', () => {
  const matrix = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => 1 / (1 + i + j) + (i === j ? 0.1 : 0)));
  const { values, vectors } = eigenOf(matrix);
  matrix.forEach((row, i) =>
    row.forEach((entry, j) => {
      const again = values.reduce((sum, value, k) => sum + vectors[i]![k]! * value * vectors[j]![k]!, 0);
      const dot = [0, 1, 2, 3].reduce((sum, k) => sum + vectors[k]![i]! * vectors[k]![j]!, 0);
      expect(again).toBeCloseTo(entry, 13);
      expect(dot).toBeCloseTo(i === j ? 1 : 0, 13);
    }),
  );
});

describe('the margin', () => {
  const thresholds = [0.25, 0.5, 0.75];

  it('is that of the package cmaes', () => {
    const { mean: begun, sigma: first, thresholds: all, least, generations } = reference.margin;
    let widened: Widened = { distribution: begin(begun, first), widening: [1, 1, 1] };
    for (const { points, mean, sigma, widening } of generations) {
      widened = keepMargins({ ...widened, distribution: update(widened.distribution, points) }, all, least);
      expectClose(widened.distribution.mean, mean);
      expect(widened.distribution.sigma).toBeCloseTo(sigma, 10);
      expectClose(widened.widening, widening);
    }
    expect(generations.at(-1)!.widening[1]).toBeGreaterThan(2);
  });

  it('leaves alone what leaves its value often enough', () => {
    const wide = { mean: 0.6, deviation: 0.2 };
    expect(withMargin(wide, thresholds, 0.05)).toEqual(wide);
  });

  it('keeps a least probability of each neighbour', () => {
    const { mean, deviation } = withMargin({ mean: 0.6, deviation: 0.001 }, thresholds, 0.05);
    expect(mean).toBeGreaterThan(0.5);
    expect(mean).toBeLessThan(0.75);
    expect(cdf((0.5 - mean) / deviation)).toBeGreaterThanOrEqual(0.025 - 1e-9);
    expect(cdf((mean - 0.75) / deviation)).toBeGreaterThanOrEqual(0.025 - 1e-9);
  });

  it.each([0.01, 0.99])('keeps a least probability of leaving the value at an end: %p', (mean) => {
    const moved = withMargin({ mean, deviation: 0.001 }, thresholds, 0.05);
    const close = mean < 0.5 ? 0.25 : 0.75;
    expect(Math.sign(moved.mean - close)).toBe(Math.sign(mean - close));
    expect(cdf(-Math.abs(moved.mean - close) / moved.deviation)).toBeCloseTo(0.05, 9);
  });
});

const dimensions = space({
  act: choice('relu', 'gelu'),
  lr: real(1e-5, 1, { log: true }),
  x: real(-1, 1),
  layers: whole(1, 16),
  'act.1.y': real(0, 1),
});

const loss = ({ lr, x, layers }: Point): number =>
  (Math.log10(lr!) + 2) ** 2 + (x! - 0.3) ** 2 + (0.3 * (layers! - 11)) ** 2;

const best = (strategy: Strategy, count: number): number =>
  Math.min(...search(strategy, dimensions, loss, count).map(({ values }) => values![0]!));

it('converges, whole numbers too', () => {
  const seeds = [1, 2, 3];
  for (const seed of seeds) {
    expect(best(tune.cmaEs({ seed }), 200)).toBeLessThan(1e-3);
    expect(best(tune.random({ seed }), 200)).toBeGreaterThan(1e-3);
  }
});

it('is a function of the seed and the log, by generations', () => {
  const strategy = tune.cmaEs({ seed: 1 });
  const trials = search(strategy, dimensions, loss, 40);
  expect(trials.map((trial) => noteOf(trial)!.generation)).toEqual(trials.map((_, i) => Math.floor(i / 7)));
  expect(noteOf(trials[7]!)!.parents).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const again = search(tune.cmaEs({ seed: 1 }), dimensions, loss, 5, { trials: trials.slice(0, 35) });
  expect(again.slice(35).map(({ point }) => point)).toEqual(trials.slice(35).map(({ point }) => point));
});

it('goes on by the parents that the log names, whichever finish later', () => {
  const strategy = tune.cmaEs({ seed: 1 });
  const trials = search(strategy, dimensions, loss, 8);
  // With more workers: trial 3 was running when trial 8 began the next generation.
  const surplus = suggested(strategy, dimensions, { trials: trials.slice(0, 3) });
  const late = trialOf(3, dimensions, surplus.point, { state: 'running', notes: surplus.notes! });
  const wider = [...trials.slice(0, 3), late, ...trials.slice(4, 7)];
  const more = search(strategy, dimensions, loss, 2, { trials: wider });
  expect(noteOf(more[7]!)!.generation).toBe(0);
  expect(noteOf(more[8]!)!.parents).toEqual([0, 1, 2, 4, 5, 6, 7]);
  const finished = more.map((trial) =>
    trial.number === 3 ? { ...trial, state: 'complete' as const, values: [0] } : trial,
  );
  const [before, after] = [more, finished].map((list) => suggested(strategy, dimensions, { trials: list }));
  expect(after!.point).toEqual(before!.point);
});

it('draws choices at random, and what depends on them where it exists', () => {
  for (const { point } of search(tune.cmaEs(), dimensions, loss, 30)) {
    expect('act.1.y' in point).toBe(point['act'] === 1);
    expect(Number.isInteger(point['layers'])).toBe(true);
    expect(point['lr']).toBeGreaterThanOrEqual(1e-5);
    expect(point['lr']).toBeLessThanOrEqual(1);
  }
});

it('keeps what is fixed, and learns nothing from it', () => {
  const { point, notes } = suggested(tune.cmaEs(), dimensions, { fixed: { x: 0.9 } });
  expect(point['x']).toBe(0.9);
  expect(notes).toBeUndefined();
});

it('passes over notes that it cannot read', () => {
  const strategy = tune.cmaEs({ seed: 1 });
  const clean = suggested(strategy, dimensions, {});
  const notes: readonly Json[] = [null, 7, { generation: 0 }, { generation: 'x', drawn: { lr: null } }];
  const trials = notes.map((note, i) =>
    trialOf(
      i,
      dimensions,
      { lr: 1, x: 0, layers: 3, act: 0 },
      { values: [1], notes: { 'tenon:cmaEs': note } },
    ),
  );
  expect(suggested(strategy, dimensions, { trials }).notes).toMatchObject({
    'tenon:cmaEs': { generation: 0 },
  });
  expect(clean.notes).toMatchObject({ 'tenon:cmaEs': { generation: 0, parents: [] } });
});

it('refuses spaces without numbers, several objectives, and a population of one', () => {
  const none = space({ act: choice('a', 'b') });
  expect(() => tune.cmaEs().check(none, ['minimize'])).toThrow(/no numeric dimension that always exists/);
  expect(() => tune.cmaEs().check(dimensions, ['minimize', 'maximize'])).toThrow(/one objective/);
  expect(() => tune.cmaEs({ population: 1 })).toThrow(/population must be at least 2/);
});
