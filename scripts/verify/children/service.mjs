/**
 * `service.mjs FOLDER PLACE`: the service that was installed in FOLDER, with its settings from the
 * environment, beside a training of resnet20 in PLACE: `here` (this thread), `worker` (a worker thread) or
 * `none`. Where FOLDER is `-`, it only trains. Tells its parent the port, and for each message what it did
 * since the one before: training steps, and milliseconds of processor time.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { training } from './training.mjs';

const BATCH = 64;

/** Trains with one step queued ahead, and counts the steps. */
async function trainAlways(steps) {
  const { train } = training('resnet20', BATCH);
  let ahead = train();
  for (;;) {
    const step = ahead;
    ahead = train();
    await step;
    Atomics.add(steps, 0, 1);
  }
}

async function serve(folder) {
  const module = (name) => import(pathToFileURL(join(folder, name)));
  const [{ makeService }, { readConfig }] = [await module('app.mjs'), await module('config.mjs')];
  const { app, models } = makeService(readConfig(process.env));
  await app.listen({ host: '127.0.0.1', port: 0 });
  await models.reload();
  return app.server.address().port;
}

async function main([folder, place]) {
  const steps = new Int32Array(new SharedArrayBuffer(4));
  if (place === 'here') void trainAlways(steps);
  if (place === 'worker') new Worker(new URL(import.meta.url), { workerData: steps });
  const port = folder === '-' ? undefined : await serve(folder);
  let before = process.cpuUsage();
  process.on('message', () => {
    const { user, system } = process.cpuUsage(before);
    process.send({ steps: Atomics.exchange(steps, 0, 0), cpuMs: (user + system) / 1000 });
    before = process.cpuUsage();
  });
  process.on('disconnect', () => process.exit(0));
  process.send({ port });
}

if (isMainThread) await main(process.argv.slice(2));
else await trainAlways(workerData);
