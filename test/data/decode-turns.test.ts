import { setTimeout as sleep } from 'node:timers/promises';
import { inTurn } from '../../lib/data/decode-turns';

const MIB = 2 ** 20;

/** Runs jobs of these sizes; the most bytes that ran at once, the most jobs, and the order they ran in. */
async function run(sizes: readonly number[]): Promise<{ bytes: number; jobs: number; order: number[] }> {
  const now = { bytes: 0, jobs: 0 };
  const most = { bytes: 0, jobs: 0 };
  const order: number[] = [];
  const job = async (bytes: number, index: number): Promise<void> => {
    order.push(index);
    now.bytes += bytes;
    now.jobs++;
    most.bytes = Math.max(most.bytes, now.bytes);
    most.jobs = Math.max(most.jobs, now.jobs);
    await sleep(2);
    now.bytes -= bytes;
    now.jobs--;
  };
  await Promise.all(sizes.map((bytes, i) => inTurn(bytes, () => job(bytes, i))));
  return { ...most, order };
}

test('large images wait until there is memory for them, in order', async () => {
  const sizes = [300, 300, 100, 2000, 1, 300].map((size) => size * MIB);
  const { bytes, order } = await run(sizes);
  expect(bytes).toBe(2000 * MIB);
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  expect((await run([300 * MIB, 300 * MIB])).jobs).toBe(1);
});

test('small images do not wait for large ones, and those that fail make room', async () => {
  const fails = (): Promise<void> => Promise.reject(new Error('damaged'));
  await expect(inTurn(2000 * MIB, fails)).rejects.toThrow('damaged');
  const { jobs } = await run([0, 0, 0, 0, 0, 0]);
  expect(jobs).toBeGreaterThan(0);
  expect((await run([2000 * MIB, 0])).jobs).toBe(Math.min(2, jobs));
});
