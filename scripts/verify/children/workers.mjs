/**
 * `workers.mjs COUNT BATCH`: workers load the addon first and leave in the middle of a step, one after the
 * other, by process.exit(), by an error nobody catches, or because they are terminated. Then the main thread
 * loads it and trains.
 */
import { createHash } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const WAYS = ['exit', 'throw', 'terminate'];

async function worker({ way, batch }) {
  const { training } = await import('./training.mjs');
  const { train } = training('resnet20', batch);
  // Alive but not awaited: steps are queued, the first one runs.
  for (let i = 0; i < 3; i++)
    train().then(
      () => parentPort.postMessage('settled'),
      () => undefined,
    );
  setTimeout(() => {
    parentPort.postMessage('leaving');
    if (way === 'exit') process.exit();
    if (way === 'throw') throw new Error('on purpose');
  }, 5);
}

/** Resolves with whether the worker was in its first step when it left. */
async function leaveMidStep(way, batch) {
  const thread = new Worker(new URL(import.meta.url), { workerData: { way, batch }, stderr: true });
  let settled = false;
  let leaving = false;
  thread.on('error', () => undefined);
  thread.on('message', (message) => {
    if (message === 'settled') settled ||= !leaving;
    else leaving = true;
    if (leaving && way === 'terminate') void thread.terminate();
  });
  await new Promise((gone) => thread.once('exit', gone));
  return leaving && !settled;
}

async function main(count, batch) {
  let left = 0;
  for (let i = 0; i < count; i++) if (await leaveMidStep(WAYS[i % WAYS.length], batch)) left++;
  const { training } = await import('./training.mjs');
  const { model, train } = training('lenet', 64);
  const losses = [];
  for (let i = 0; i < 20; i++) losses.push((await train()).itemSync());
  const digest = createHash('sha256')
    .update(await model.toBuffer())
    .digest('hex');
  console.log(JSON.stringify({ left, firstLoss: losses[0], lastLoss: losses.at(-1), digest }));
}

if (isMainThread) await main(...process.argv.slice(2).map(Number));
else await worker(workerData);
