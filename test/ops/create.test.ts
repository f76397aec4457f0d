import * as ops from '../../lib/ops';

it('random numbers depend on seed and stream only, and are distributed as asked', async () => {
  const u = Array.from(await ops.randomUniform([10000], 1, 'a', -1, 3).data());
  expect(Math.min(...u)).toBeGreaterThanOrEqual(-1);
  expect(Math.max(...u)).toBeLessThan(3);
  expect(u.reduce((n, v) => n + v, 0) / 10000).toBeCloseTo(1, 1);
  const n = Array.from(await ops.randomNormal([10000], 1, 'a', 2, 0.5).data());
  const m = n.reduce((s, v) => s + v, 0) / 10000;
  expect(m).toBeCloseTo(2, 1);
  expect(Math.sqrt(n.reduce((s, v) => s + (v - m) ** 2, 0) / 10000)).toBeCloseTo(0.5, 1);
  const again = async (seed: number, stream: string): Promise<number[]> =>
    Array.from(await ops.randomNormal([10000], seed, stream, 2, 0.5).data());
  expect(await again(1, 'a')).toEqual(n);
  expect(await again(2, 'a')).not.toEqual(n);
  expect(await again(1, 'b')).not.toEqual(n);
});
