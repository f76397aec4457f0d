import { values as optuna } from '../../fixtures/tpe.json';
import type { Domain, Point } from '../../../lib/tune/space/dimension';
import { frontsOf, hypervolume } from '../../../lib/tune/strategies/hypervolume';
import { cdf, logCdf, logMass } from '../../../lib/tune/strategies/normal';
import { ParzenEstimator } from '../../../lib/tune/strategies/parzen';
import { Random } from '../../../lib/tune/strategies/random-numbers';
import { bestOf } from '../../../lib/tune/strategies/ranking';
import { weightsOf } from '../../../lib/tune/strategies/tpe';
import type { Direction, TrialState } from '../../../lib/tune/study/trial';
import { choice, real, space, trialOf, whole } from './harness';

/** Those of the fixture's SPACE. */
const domains: Readonly<Record<string, Domain>> = {
  lr: real(1e-4, 1, { log: true }),
  momentum: real(-1, 2),
  ratio: real(0, 1, { step: 0.25 }),
  layers: whole(1, 9, { step: 2 }),
  width: whole(1, 64, { log: true }),
  act: choice('relu', 'gelu', 'tanh'),
};

function pointsOf(columns: Readonly<Record<string, readonly number[]>>): Point[] {
  const [first = []] = Object.values(columns);
  return first.map((_, i) =>
    Object.fromEntries(Object.entries(columns).map(([name, all]) => [name, all[i]!])),
  );
}

function expectClose(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, i) =>
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(expected[i]!)),
    ),
  );
}

describe('the normal distribution', () => {
  const { z, spans } = optuna.normal;

  it('is that of SciPy, in its tails too', () => {
    z.forEach((at, i) => expect(cdf(at) / optuna.normal.cdf[i]!).toBeCloseTo(1, 12));
    expectClose(z.map(logCdf), optuna.normal.logCdf, 1e-13);
  });

  it('has the mass of an interval that SciPy finds', () => {
    const found = spans.map(([a, b]) => logMass(a!, b!));
    expectClose(found, optuna.normal.logMass, 1e-9);
  });
});

describe('the Parzen estimator', () => {
  it.each(optuna.estimators.map((one, i) => [i, one] as const))(
    'has the densities of Optuna: %i',
    (_, one) => {
      const dimensions = space(Object.fromEntries(one.names.map((name) => [name, domains[name]!])));
      const observed = pointsOf(one.observed as Record<string, number[]>);
      const made = new ParzenEstimator(dimensions, observed, weightsOf(observed.length));
      const found = pointsOf(one.samples as Record<string, number[]>).map((point) => made.logDensity(point));
      expectClose(found, one.logDensity, 1e-10);
    },
  );

  it.each(['layers', 'width', 'act', 'ratio'])('draws %s by its density', (name) => {
    const dimensions = space({ [name]: domains[name]! });
    const observed = pointsOf({
      [name]: name === 'act' ? [1, 1, 2] : name === 'ratio' ? [0, 0.5] : [3, 5, 5],
    });
    const made = new ParzenEstimator(dimensions, observed, [1, 1, 1].slice(0, observed.length));
    const random = new Random(1, 'test', 0);
    const counts = new Map<number, number>();
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const value = made.draw(random)[name]!;
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    let mass = 0;
    for (const [value, count] of counts) {
      const expected = Math.exp(made.logDensity({ [name]: value }));
      mass += expected;
      // Five standard errors.
      expect(Math.abs(count / draws - expected)).toBeLessThan(5 * Math.sqrt(expected / draws));
    }
    expect(mass).toBeGreaterThan(0.98);
    expect(mass).toBeLessThan(1 + 1e-12);
  });

  it('draws real numbers by its density', () => {
    const dimensions = space({ momentum: domains['momentum']! });
    const observed = pointsOf({ momentum: [-1, 1.9] });
    const made = new ParzenEstimator(dimensions, observed, [1, 1]);
    const random = new Random(2, 'test', 0);
    const draws = 20_000;
    const bins = new Array<number>(6).fill(0);
    for (let i = 0; i < draws; i++) bins[Math.floor((made.draw(random)['momentum']! + 1) * 2)]! += 1 / draws;
    bins.forEach((share, bin) => {
      // The midpoint rule on 50 pieces.
      const pieces = Array.from({ length: 50 }, (_, i) => -1 + bin / 2 + (i + 0.5) / 100);
      const mass = pieces.reduce((sum, at) => sum + Math.exp(made.logDensity({ momentum: at })) / 100, 0);
      expect(Math.abs(share - mass)).toBeLessThan(5 * Math.sqrt(mass / draws));
    });
  });
});

it.each(Object.entries(optuna.weights))(
  'weights %s observations by age as Optuna does',
  (count, expected) => {
    expectClose(weightsOf(Number(count)), expected, 1e-15);
  },
);

describe('good trials', () => {
  const states: Record<string, TrialState> = { COMPLETE: 'complete', PRUNED: 'pruned', FAIL: 'failed' };

  it.each(optuna.single)(
    'are those of Optuna with one objective: $direction',
    ({ direction, trials, good }) => {
      const records = trials.map(({ state, value, reports }, number) =>
      trialOf(number, [], {}, {
        state: states[state]!,
        ...(state === 'COMPLETE' && { values: [value] }),
        reports: Object.entries(reports).map(([step, report]) => ({ step: Number(step), value: report })),
      }),
    ); // prettier-ignore
      for (const { count, numbers } of Object.values(good)) {
        const found = bestOf(records, [direction as Direction], count).map(({ number }) => number);
        expect(found.sort((a, b) => a - b)).toEqual(numbers);
      }
    },
  );

  it.each(optuna.several)('are those of Optuna with $directions', ({ directions, values, good, ranks }) => {
    const records = values.map((row, number) => trialOf(number, [], {}, { values: row }));
    for (const { count, numbers } of good) {
      const found = bestOf(records, directions as Direction[], count).map(({ number }) => number);
      expect(found.sort((a, b) => a - b)).toEqual(numbers);
    }
    const losses = values.map((row) => row.map((v, i) => (directions[i] === 'maximize' ? -v : v)));
    const found = new Array<number>(values.length).fill(-1);
    frontsOf(losses).forEach((front, rank) => front.forEach((i) => (found[i] = rank)));
    expect(found).toEqual(ranks);
  });
});

it.each(optuna.volumes)('measures the volume that points dominate', ({ points, volume }) => {
  expect(hypervolume(points, points[0]!.map(() => 1.1))).toBeCloseTo(volume, 12); // prettier-ignore
});
