import { tune } from '../../../lib';
import { choice, real, search, space, stateOf, suggested, trialOf, whole } from './harness';

const mixed = space({
  lr: real(1e-3, 1e-1, { log: true }),
  kind: choice('a', 'b'),
  'kind.0.x': real(0, 1, { step: 0.5 }),
  'kind.1.y': whole(1, 2),
  'kind.1.z': choice(true, false),
});

const points = (trials: ReturnType<typeof search>): string[] =>
  trials.map(({ point }) => JSON.stringify(point));

it('tries all combinations once, the last dimension fastest, and ends', () => {
  const plain = space({ a: whole(0, 4, { step: 2 }), b: choice('x', 'y') });
  const trials = search(tune.grid(), plain, () => 0, 100);
  expect(trials.map(({ point }) => [point['a'], point['b']])).toEqual([
    [0, 0],
    [0, 1],
    [2, 0],
    [2, 1],
    [4, 0],
    [4, 1],
  ]);
});

it('combines what depends on a choice only where it exists', () => {
  const trials = search(tune.grid({ points: 3 }), mixed, () => 0, 100);
  expect(trials).toHaveLength(3 * (3 + 2 * 2));
  expect(new Set(points(trials)).size).toBe(21);
  expect(trials[0]!.point['lr']).toBeCloseTo(1e-3, 12);
  expect(trials[7]!.point['lr']).toBeCloseTo(1e-2, 12);
  expect(trials[14]!.point['lr']).toBeCloseTo(1e-1, 12);
  expect(trials.slice(0, 4).map(({ point }) => point)).toEqual([
    { lr: 0.001, kind: 0, 'kind.0.x': 0 },
    { lr: 0.001, kind: 0, 'kind.0.x': 0.5 },
    { lr: 0.001, kind: 0, 'kind.0.x': 1 },
    { lr: 0.001, kind: 1, 'kind.1.y': 1, 'kind.1.z': 0 },
  ]);
});

it('shuffles by the seed, and then tries the same points', () => {
  const rows = search(tune.grid({ points: 3 }), mixed, () => 0, 100);
  const orders = [1, 2].map((seed) =>
    points(search(tune.grid({ points: 3, order: 'shuffled', seed }), mixed, () => 0, 100)),
  );
  for (const order of orders) {
    expect(order).not.toEqual(points(rows));
    expect([...order].sort()).toEqual(points(rows).sort());
  }
  expect(orders[0]).not.toEqual(orders[1]);
});

it('takes counts and lists by name', () => {
  const strategy = tune.grid({ points: { lr: [0.01, 0.1], 'kind.0.x': 1, 'kind.1.y': [2] } });
  const trials = search(strategy, mixed, () => 0, 100);
  expect(trials).toHaveLength(2 * (1 + 2));
  expect(trials[0]!.point).toEqual({ lr: 0.01, kind: 0, 'kind.0.x': 0.5 });
});

it('has a grid of a trillion points without holding it', () => {
  const many = space(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`d${i}`, choice(0, 1)])));
  const trials = search(tune.grid({ order: 'shuffled' }), many, () => 0, 20);
  expect(new Set(points(trials)).size).toBe(20);
});

it('passes over points that were tried, enqueued ones and failures too', () => {
  const line = space({ a: whole(0, 3) });
  const trials = [
    trialOf(0, line, { a: 1 }, { state: 'failed' }),
    trialOf(1, line, { a: 0 }, { state: 'waiting' }),
    // Of another space: it says nothing about this one.
    trialOf(2, space({ a: whole(0, 4) }), { a: 2 }),
  ];
  expect(suggested(tune.grid(), line, { trials }).point).toEqual({ a: 2 });
});

it('gives workers different points while one has not recorded its own, and waits for the last', () => {
  const line = space({ a: whole(0, 1) });
  const unrecorded = trialOf(0, line, {}, { state: 'running' });
  expect(suggested(tune.grid(), line, { trials: [unrecorded] }).point).toEqual({ a: 1 });
  const trials = [unrecorded, trialOf(1, line, { a: 1 })];
  expect(tune.grid().suggest(stateOf(tune.grid(), line, { trials }))).toBe('wait');
  const recorded = [trialOf(0, line, { a: 0 }), trialOf(1, line, { a: 1 })];
  expect(tune.grid().suggest(stateOf(tune.grid(), line, { trials: recorded }))).toBeUndefined();
});

it('completes an enqueued trial with values of the grid', () => {
  const { point } = suggested(tune.grid({ points: 3 }), mixed, { fixed: { lr: 0.05, kind: 1 } });
  expect(point).toMatchObject({ lr: 0.05, kind: 1 });
  expect([1, 2]).toContain(point['kind.1.y']);
  expect([0, 1]).toContain(point['kind.1.z']);
});

it.each([
  [{}, /lr is real and has no step; say how many values/],
  [{ points: { lrr: 3 } }, /points names "lrr" \(did you mean "lr"\?\), and there is no such dimension/],
  [{ points: { lr: [1] } }, /1 lies outside of lr/],
  [{ points: { lr: 2 ** 21 } }, /lr has 2097152 values, and at most 1048576/],
])('refuses %p for a space that it does not suit', (options, message) => {
  expect(() => tune.grid(options).check(mixed, ['minimize'])).toThrow(message);
});

it.each([
  [{ points: 0 }, /points must be a positive integer/],
  [{ points: { lr: [] } }, /points of lr has no values/],
  [{ points: { lr: [NaN] } }, /points of lr must be a finite number/],
  [{ order: 'random' }, /order/],
])('refuses options %p', (options, message) => {
  expect(() => tune.grid(options as tune.GridOptions)).toThrow(message);
});

it('refuses more points than can be told apart', () => {
  const many = space(Object.fromEntries(Array.from({ length: 41 }, (_, i) => [`d${i}`, choice(0, 1)])));
  expect(() => tune.grid().check(many, ['minimize'])).toThrow(/2\^40/);
});
