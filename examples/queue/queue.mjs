/** The queue in Redis, as those who add jobs, follow them and work on them see it. */
import { randomUUID } from 'node:crypto';
import { Queue, QueueEventsProducer } from 'bullmq';
import { checkSettings } from './settings.mjs';

export const NAME = 'trainings';
export const connection = { url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' };

/** Whoever adds jobs wants an answer now: where Redis is away, this connection gives up after a second. */
const impatient = {
  ...connection,
  maxRetriesPerRequest: 1,
  retryStrategy: (times) => (times > 3 ? null : 200 * times),
};

/**
 * How often a job is tried, and how long Redis remembers it: a queue that forgets nothing fills the memory.
 */
const JOBS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 1000 },
  removeOnComplete: { age: 7 * 24 * 3600, count: 1000 },
  removeOnFail: { age: 7 * 24 * 3600, count: 1000 },
  keepLogs: 1000,
};

export function openQueue() {
  const queue = new Queue(NAME, { connection: impatient, defaultJobOptions: JOBS });
  queue.on('error', () => undefined); // what is awaited rejects
  return queue;
}

/**
 * Adds a job. Its id names the folder of its results, so that it must not come again after Redis lost its
 * data, as counted ids would.
 * @throws OptionError for settings that are wrong
 */
export function addJob(queue, settings) {
  return queue.add('train', { settings: checkSettings(settings) }, { jobId: randomUUID() });
}

/**
 * Cancels a job: removes it where nobody has begun it, otherwise tells the workers. The mark in its data is
 * for a worker that takes it up later, because the one that had it died.
 * @returns what became of it
 */
export async function cancelJob(queue, job) {
  const state = await job.getState();
  if (state === 'completed' || state === 'failed') return `has ${state} already`;
  if (state !== 'active') {
    await job.remove();
    return 'removed';
  }
  await job.updateData({ ...job.data, cancelled: true });
  const producer = new QueueEventsProducer(NAME, { connection: impatient });
  producer.on('error', () => undefined);
  await producer.publishEvent({ eventName: 'cancel', jobId: job.id });
  await producer.close();
  return 'told to stop';
}
