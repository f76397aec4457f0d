/** Takes training jobs from the queue. Each is trained by train.mjs, in a process of its own. */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { QueueEvents, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { info } from 'tenon';
import { trainInProcess } from './process.mjs';
import { connection, NAME } from './queue.mjs';
import { checkSettings } from './settings.mjs';

/** A whole number of the environment, from 1 to `most`; a wrong one ends the worker at the start. */
function wholeFrom(name, otherwise, most) {
  const value = Number(process.env[name] ?? otherwise);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  console.error(`${name} must be a whole number from 1 to ${most}, got ${process.env[name]}`);
  process.exit(2);
}

const RUNS = resolve(process.env.RUNS ?? 'runs');
const CONCURRENCY = wholeFrom('CONCURRENCY', 1, 64);
/** How long a job belongs to a worker that gives no sign of life. */
const LOCK_MS = 1000 * wholeFrom('LOCK_SECONDS', 30, 3600);
/** Together the trainings have the threads that one of them would have alone. */
const THREADS = Math.max(1, Math.floor(info().threads / CONCURRENCY));

const CANCEL = 'cancelled';
const SHUT_DOWN = 'the worker is shut down';
const LOST = 'the lock of the job was lost';

/**
 * Errors that come again at each attempt: wrong settings, data that are missing or damaged, a loss
 * that is NaN.
 */
const HOPELESS = ['OPTION', 'DATA', 'FORMAT', 'SHAPE', 'DTYPE', 'NONFINITE'].map(
  (name) => `ERR_TENON_${name}`,
);

const worker = new Worker(NAME, perform, {
  connection,
  concurrency: CONCURRENCY,
  lockDuration: LOCK_MS,
  stalledInterval: LOCK_MS,
  maxStalledCount: 3,
});

/** Trains a job, and returns what Redis keeps as its result. */
async function perform(job, token, signal) {
  const { cancelled, ...task } = taskOf(job);
  if (cancelled) throw new UnrecoverableError(CANCEL);
  await mkdir(task.folder, { recursive: true });
  let complained = false;
  const unheard = ({ message }) => {
    if (!complained) say(job.id, message);
    complained = true;
  };
  const onLog = (line) => {
    say(job.id, line);
    job.log(line).catch(unheard);
  };
  const onProgress = (progress) => {
    const { epoch, epochs, validationAccuracy } = progress;
    onLog(`epoch ${epoch} of ${epochs}: validation accuracy ${validationAccuracy}`);
    job.updateProgress(progress).catch(unheard);
  };
  const { result, error } = await trainInProcess(task, { threads: THREADS, signal, onLog, onProgress });
  if (result !== undefined) return result;
  if (!signal.aborted) throw failure(error);
  if (signal.reason === CANCEL) throw new UnrecoverableError(CANCEL);
  if (signal.reason !== SHUT_DOWN) throw new Error(signal.reason);
  await job.moveToWait(token);
  throw new WaitingError();
}

/** What a job asks for. Anybody who reaches Redis may have written it. */
function taskOf({ id, data }) {
  if (!/^[\w-]{1,64}$/.test(id)) throw new UnrecoverableError('ERR_TENON_OPTION: the id names no folder');
  try {
    const settings = checkSettings(data?.settings);
    return { cancelled: data.cancelled === true, settings, folder: join(RUNS, id) };
  } catch (error) {
    throw failure(error);
  }
}

/** Attempts that cannot succeed are not repeated. */
function failure({ code, message }) {
  if (code === undefined) return new Error(message);
  const text = `${code}: ${message}`;
  return HOPELESS.includes(code) ? new UnrecoverableError(text) : new Error(text);
}

/** Nobody goes on from the checkpoints of such jobs. */
const forget = (id) => rm(join(RUNS, id, 'checkpoints'), { recursive: true, force: true });

worker.on('completed', async (job, { accuracy }) => {
  await forget(job.id);
  say(job.id, `completed, test accuracy ${accuracy}`);
});
worker.on('failed', async (job, error) => {
  if (error.message === CANCEL) await forget(job.id);
  say(job?.id, `failed: ${error.message}`);
});
worker.on('stalled', (id) => say(id, 'its worker died; it goes back into the queue'));
worker.on('lockRenewalFailed', (ids) => {
  for (const id of ids) {
    say(id, `${LOST}; another worker may have it`);
    worker.cancelJob(id, LOST);
  }
});

// The queue's own stream of events: what came while Redis was away is read afterwards.
const events = new QueueEvents(NAME, { connection, lastEventId: '0-0' });
events.on('cancel', ({ jobId }) => worker.cancelJob(jobId, CANCEL));

/** Redis is asked again and again while it is away; we say so once. */
let complaint;
for (const source of [worker, events]) {
  source.on('error', ({ message }) => {
    if (message !== complaint) say('redis', message);
    complaint = message;
  });
}
worker.on('active', () => (complaint = undefined));

/** Trainings save a checkpoint and go back into the queue, in front. */
async function shutDown() {
  const closed = worker.close(); // takes no more jobs
  worker.cancelAllJobs(SHUT_DOWN);
  await Promise.all([closed, events.close()]);
}
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, shutDown);

await worker.waitUntilReady();
say('worker', `ready: ${CONCURRENCY} at once, ${THREADS} threads each`);

function say(about, text) {
  console.log(`${about}: ${text}`);
}
