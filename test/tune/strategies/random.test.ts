import { tune } from '../../../lib';
import { choice, real, search, space, suggested, whole } from './harness';

const dimensions = space({
  lr: real(1e-4, 1, { log: true }),
  momentum: real(0, 1, { step: 0.25 }),
  layers: whole(1, 4),
  width: whole(1, 64, { log: true }),
  kind: choice('a', 'b', 'c'),
  'kind.1.x': real(-1, 1),
});

const trials = search(tune.random({ seed: 3 }), dimensions, () => 0, 3000);
const of = (name: string): number[] => trials.flatMap(({ point }) => point[name] ?? []);

function shares(values: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1 / values.length;
  return counts;
}

it('draws logarithms evenly', () => {
  const below = of('lr').filter((lr) => lr < 1e-2).length / trials.length;
  expect(below).toBeCloseTo(0.5, 1);
  expect(Math.min(...of('lr'))).toBeGreaterThanOrEqual(1e-4);
  expect(Math.max(...of('lr'))).toBeLessThanOrEqual(1);
});

it('draws steps, integers and choices with equal shares', () => {
  for (const [name, values] of [
    ['momentum', [0, 0.25, 0.5, 0.75, 1]],
    ['layers', [1, 2, 3, 4]],
    ['kind', [0, 1, 2]],
  ] as const) {
    const found = shares(of(name));
    expect(Object.keys(found).map(Number).sort((a, b) => a - b)).toEqual([...values]); // prettier-ignore
    for (const share of Object.values(found)) expect(share).toBeCloseTo(1 / values.length, 1);
  }
});

it('draws integers by the logarithm with half a step around each', () => {
  const expected = Math.log(1.5 / 0.5) / Math.log(64.5 / 0.5);
  expect(shares(of('width'))['1']).toBeGreaterThan(expected - 0.03);
  expect(shares(of('width'))['1']).toBeLessThan(expected + 0.03);
  expect(Math.max(...of('width'))).toBe(64);
});

it('draws what depends on a choice only where it exists', () => {
  for (const { point } of trials) expect('kind.1.x' in point).toBe(point['kind'] === 1);
});

it('is a function of the seed and the number', () => {
  const again = search(tune.random({ seed: 3 }), dimensions, () => 0, 20);
  expect(again.map(({ point }) => point)).toEqual(trials.slice(0, 20).map(({ point }) => point));
  const other = search(tune.random({ seed: 4 }), dimensions, () => 0, 1);
  expect(other[0]!.point).not.toEqual(trials[0]!.point);
});

it('keeps what is fixed, and draws the rest', () => {
  const { point } = suggested(tune.random(), dimensions, { fixed: { kind: 1, lr: 0.5 } });
  expect(point).toMatchObject({ kind: 1, lr: 0.5 });
  expect(Object.keys(point)).toEqual(['lr', 'momentum', 'layers', 'width', 'kind', 'kind.1.x']);
});

it('refuses options that it does not have', () => {
  expect(() => tune.random({ sed: 1 } as object)).toThrow(/tune\.random: unknown option "sed"/);
});
