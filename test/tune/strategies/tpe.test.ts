import { tune } from '../../../lib';
import type { Point } from '../../../lib/tune/space/dimension';
import { hypervolume } from '../../../lib/tune/strategies/hypervolume';
import type { Strategy } from '../../../lib/tune/strategies/strategy';
import { choice, real, search, space, suggested, trialOf, whole } from './harness';

const mixed = space({
  lr: real(1e-4, 1, { log: true }),
  layers: whole(1, 8),
  kind: choice('a', 'b', 'c'),
  'kind.0.x': real(0, 1),
  'kind.1.y': whole(1, 100, { log: true }),
  'kind.1.z': real(0, 1, { step: 0.5 }),
  only: choice('one'),
});

/** Best with kind a, lr 1e-2, x 0.7. */
function loss(point: Point): number {
  const far = (Math.log10(point['lr']!) + 2) ** 2 + ((point['layers']! - 5) / 8) ** 2;
  return far + (point['kind'] === 0 ? (point['kind.0.x']! - 0.7) ** 2 : 0.5);
}

const best = (strategy: Strategy, count: number): number =>
  Math.min(...search(strategy, mixed, loss, count).map(({ values }) => values![0]!));

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

it('finds better points than random search', () => {
  const seeds = [1, 2, 3, 4, 5];
  const found = mean(seeds.map((seed) => best(tune.tpe({ seed }), 60)));
  const random = mean(seeds.map((seed) => best(tune.random({ seed }), 60)));
  expect(found).toBeLessThan(0.5 * random);
});

it('is a function of the seed and the trials', () => {
  const runs = [3, 3, 4].map((seed) => search(tune.tpe({ seed }), mixed, loss, 25));
  const [first, again, other] = runs.map((trials) => trials.map(({ point }) => point));
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

it('draws at random until enough trials are finished; failed ones do not count', () => {
  const trials = search(tune.random(), mixed, loss, 9);
  const failed = trialOf(9, mixed, {}, { state: 'failed' });
  const uneven = suggested(tune.tpe({ startup: 10 }), mixed, { trials: [...trials, failed] });
  const random = suggested(tune.tpe({ startup: 100 }), mixed, { trials: [...trials, failed] });
  expect(uneven.point).toEqual(random.point);
  const begun = suggested(tune.tpe({ startup: 9 }), mixed, { trials: [...trials, failed] });
  expect(begun.point).not.toEqual(random.point);
});

it('suggests what exists, within its domain, and keeps what is fixed', () => {
  const trials = search(tune.tpe({ startup: 5 }), mixed, loss, 40);
  for (const { point } of trials) {
    const inner = { 0: ['kind.0.x'], 1: ['kind.1.y', 'kind.1.z'], 2: [] }[point['kind']!]!;
    expect(Object.keys(point).sort()).toEqual(['kind', 'layers', 'lr', 'only', ...inner].sort());
    expect(Number.isInteger(point['layers'])).toBe(true);
  }
  const { point } = suggested(tune.tpe(), mixed, { trials, fixed: { kind: 1, 'kind.1.z': 0.5, lr: 1 } });
  expect(point).toMatchObject({ kind: 1, 'kind.1.z': 0.5, lr: 1 });
  expect(point['kind.1.y']).toBeGreaterThanOrEqual(1);
});

it('keeps away from trials that run', () => {
  const line = space({ x: real(0, 1) });
  const done = search(tune.random(), line, ({ x }) => (x! - 0.5) ** 2, 30);
  const near = done.reduce((a, b) => (a.values![0]! < b.values![0]! ? a : b)).point['x']!;
  const running = Array.from({ length: 20 }, (_, i) =>
    trialOf(30 + i, line, { x: near }, { state: 'running' }),
  );
  const away = (constantLiar: boolean): number =>
    mean(
      [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
        const strategy = tune.tpe({ seed, constantLiar });
        return Math.abs(suggested(strategy, line, { trials: [...done, ...running] }).point['x']! - near);
      }),
    );
  expect(away(true)).toBeGreaterThan(2 * away(false));
});

it('searches for several objectives', () => {
  const plane = space({ x: real(0, 1), y: real(0, 1), z: real(0, 1) });
  const objective = ({ x, y, z }: Point): number[] => {
    const far = (y! - 0.3) ** 2 + (z! - 0.6) ** 2;
    return [x! + far, 1 - Math.sqrt(x!) + far];
  };
  const volume = (strategy: Strategy): number => {
    const trials = search(strategy, plane, objective, 80, { directions: ['minimize', 'minimize'] });
    return hypervolume(
      trials.map(({ values }) => values!),
      [2, 2],
    );
  };
  const seeds = [1, 2, 3];
  const found = mean(seeds.map((seed) => volume(tune.tpe({ seed }))));
  expect(found).toBeGreaterThan(mean(seeds.map((seed) => volume(tune.random({ seed })))) + 0.02);
});

it('passes over what trials say about domains that have changed', () => {
  const then = space({ x: real(0, 2), y: real(0, 1) });
  const now = space({ x: real(0, 1), y: real(0, 1) });
  const trials = search(tune.random(), then, ({ x, y }) => x! + y!, 30);
  const { point } = suggested(tune.tpe(), now, { trials });
  expect(point['x']).toBeLessThanOrEqual(1);
  expect(Object.keys(point)).toEqual(['x', 'y']);
});

it.each([
  [{ startup: -1 }, /startup/],
  [{ candidates: 0 }, /candidates must be a positive integer/],
  [{ gamma: 0.1 }, /unknown option "gamma"/],
])('refuses options %p', (options, message) => {
  expect(() => tune.tpe(options)).toThrow(message);
});
