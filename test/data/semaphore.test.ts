import { setTimeout as sleep } from 'node:timers/promises';
import { Semaphore } from '../../lib/data/semaphore';

/** Runs jobs of these sizes; the most bytes that ran at once, the most jobs, and the order they ran in. */
async function run(
  semaphore: Semaphore,
  sizes: readonly number[],
): Promise<{ bytes: number; jobs: number; order: number[] }> {
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
  await Promise.all(sizes.map((bytes, i) => semaphore.run(() => job(bytes, i), bytes)));
  return { ...most, order };
}

test('so many jobs run at once, in order', async () => {
  const { jobs, order } = await run(new Semaphore(3), [0, 0, 0, 0, 0, 0, 0]);
  expect(jobs).toBe(3);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('jobs wait until there is memory for them, in order', async () => {
  const semaphore = new Semaphore(3, 500);
  const { bytes, order } = await run(semaphore, [300, 300, 100, 2000, 1, 300]);
  expect(bytes).toBe(2000);
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  expect((await run(semaphore, [300, 300])).jobs).toBe(1);
});

test('jobs without memory run beside those with, and those that fail make room', async () => {
  const semaphore = new Semaphore(2, 500);
  const fails = (): Promise<void> => Promise.reject(new Error('damaged'));
  await expect(semaphore.run(fails, 2000)).rejects.toThrow('damaged');
  expect((await run(semaphore, [2000, 0, 0])).jobs).toBe(2);
  expect((await run(semaphore, [300, 300])).jobs).toBe(1);
});
