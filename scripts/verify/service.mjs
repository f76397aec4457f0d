/**
 * The example service under load: alone, beside a training in its own thread, in a worker thread and in
 * another process, while its model is replaced, and when it is told to end. The load comes from this process,
 * over loopback, and takes its share of the same processors.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, rename, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import sharp from 'sharp';
import { data, models, nn } from 'tenon';
import { childScript, inTemporary } from './process.mjs';
import { check } from './report.mjs';

const { installExample } = createRequire(import.meta.url)('./install-example.js');

const goal = 'no request is lost: beside trainings, while models are replaced, and by SIGTERM';
const PLACES = ['none', 'here', 'worker', 'process'];
const TOKEN = 'a token of the check';
const NAMES = { here: 'its thread', worker: 'a worker thread', process: 'another process' };
const WARM_UP_MS = 500;
const QUIET = { LOG_LEVEL: 'warn', ADMIN_TOKEN: TOKEN };

function smallNetwork(seed) {
  const model = nn.sequential(
    ...[nn.conv2d(1, 16, { kernel: 3, padding: 1 }), nn.relu(), nn.maxPool2d(2)],
    ...[nn.conv2d(16, 32, { kernel: 3, padding: 1 }), nn.relu(), nn.maxPool2d(2)],
    ...[nn.flatten(), nn.linear(32 * 7 * 7, 64), nn.relu(), nn.linear(64, 10)],
  );
  model.initialize({ seed });
  model.preprocessing = { height: 28, width: 28, channels: 1, mean: [0], std: [1] };
  return model;
}

function largeNetwork() {
  const model = models.mobilenetV2({ seed: 1 });
  model.preprocessing = models.imagenet;
  return model;
}

/** Small images through small networks, and photographs through one of ImageNet's size. */
async function makeWorkloads(directory) {
  const save = async (name, model) => {
    const file = join(directory, `${name}.safetensors`);
    await model.save(file);
    model.dispose();
    return file;
  };
  const { pixels } = await (await data.glyphs({ trainCount: 8, testCount: 8 })).test.image(7);
  const glyph = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } });
  const noise = { type: 'gaussian', mean: 128, sigma: 20 };
  const photo = sharp({ create: { width: 640, height: 480, channels: 3, background: 'gray', noise } });
  return [
    {
      name: 'glyphs',
      file: await save('glyphs', smallNetwork(1)),
      other: await save('other', smallNetwork(2)),
      body: await glyph.png().toBuffer(),
    },
    { name: 'photos', file: await save('photos', largeNetwork()), body: await photo.jpeg().toBuffer() },
  ];
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;

/** Keeps `connections` requests in flight; what came back. */
function load(port, { body }, connections, milliseconds) {
  const latencies = [];
  let refused = 0;
  return new Promise((resolve, reject) => {
    const options = { url: `http://127.0.0.1:${port}/predict`, method: 'POST', body, connections };
    const headers = { 'content-type': 'application/octet-stream' };
    const run = autocannon({ ...options, headers, duration: milliseconds / 1000 }, (error, result) => {
      if (error) return reject(error);
      const sorted = Float64Array.from(latencies).sort();
      const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
      const lost = refused + result.errors + result.timeouts;
      const seconds = result.duration;
      resolve({ seconds, perSecond: sorted.length / seconds, answered: sorted.length, lost, p50, p99 });
    });
    run.on('response', (_client, status, _bytes, duration) => {
      if (status === 200) latencies.push(duration);
      else refused++;
    });
  });
}

function startChild(args, env) {
  const child = fork(childScript('service.mjs'), args, { env: { ...process.env, ...QUIET, ...env } });
  const next = async () => (await once(child, 'message'))[0];
  return {
    ready: next(),
    /** What it did since it was asked last. */
    ask: () => {
      child.send('ask');
      return next();
    },
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** Runs `work` with children of these arguments, which are ready. */
async function withChildren(started, work) {
  const children = started.map(([args, env]) => startChild(args, env));
  try {
    const answers = await Promise.all(children.map(({ ready }) => ready));
    return await work(children, answers[0].port);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** The service of a workload beside a training in `place`; `process` is a second child. */
function measure(folder, workload, place, maxBatch, { seconds, connections }) {
  const env = { MODEL_FILE: workload.file, MAX_BATCH: String(maxBatch) };
  const service = [[folder, place === 'process' ? 'none' : place], env];
  const started = place === 'process' ? [service, [['-', 'here'], {}]] : [service];
  return withChildren(started, async (children, port) => {
    const ask = () => Promise.all(children.map((child) => child.ask()));
    await load(port, workload, connections, WARM_UP_MS);
    await ask();
    const result = await load(port, workload, connections, 1000 * seconds);
    const answers = await ask();
    const steps = answers.reduce((sum, answer) => sum + answer.steps, 0);
    // With a training in the service's process, its time is part of this.
    const cpuMs = answers[0].cpuMs / result.answered;
    return { workload: workload.name, place, maxBatch, ...result, cpuMs, steps: steps / result.seconds };
  });
}

/** Steps per second of the training without the service. */
function trainAlone({ seconds }) {
  return withChildren([[['-', 'here'], {}]], async ([child]) => {
    await sleep(WARM_UP_MS);
    await child.ask();
    await sleep(1000 * seconds);
    return (await child.ask()).steps / seconds;
  });
}

/** Replaces the model again and again under load. */
function replaceModels(folder, workload, { seconds, connections }) {
  const file = `${workload.file}.current`;
  return copyFile(workload.file, file).then(() =>
    withChildren([[[folder, 'none'], { MODEL_FILE: file }]], async (_children, port) => {
      let loading = true;
      const loaded = load(port, workload, connections, 1000 * seconds).finally(() => (loading = false));
      const url = `http://127.0.0.1:${port}/model/reload`;
      const headers = { authorization: `Bearer ${TOKEN}` };
      let replaced = 0;
      while (loading) {
        await copyFile(replaced % 2 === 0 ? workload.other : workload.file, `${file}.new`);
        await rename(`${file}.new`, file);
        const { changed } = await (await fetch(url, { method: 'POST', headers })).json();
        if (changed !== true) throw new Error('the model was not replaced');
        replaced++;
        await sleep(50);
      }
      return { ...(await loaded), replaced };
    }),
  );
}

/** Asks again and again, over one connection, until an answer says that the connection ends. */
async function askUntilClosed(port, { body }, counts) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { 'content-type': 'application/octet-stream' };
  for (;;) {
    const asked = request({ port, path: '/predict', method: 'POST', headers, agent }).end(body);
    try {
      const [response] = await once(asked, 'response');
      await once(response.resume(), 'end');
      if (response.statusCode === 200) counts.answered++;
      else counts.lost++;
      if (response.headers.connection === 'close') return;
    } catch {
      counts.lost++;
      return;
    }
  }
}

/** Ends the service by SIGTERM while requests are in flight. */
async function terminate(folder, workload, { connections }) {
  const env = {
    ...process.env,
    ...QUIET,
    LOG_LEVEL: 'info',
    MODEL_FILE: workload.file,
    PORT: '0',
    DRAIN_MS: '300',
  };
  const server = spawn(process.execPath, ['server.mjs'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  let port;
  for await (const line of createInterface({ input: server.stdout })) {
    const { msg } = JSON.parse(line);
    port ??= /listening at .*:(\d+)/.exec(msg)?.[1];
    if (msg === 'model loaded') break;
  }
  server.stdout.resume();
  const counts = { answered: 0, lost: 0 };
  const clients = Array.from({ length: connections }, () => askUntilClosed(port, workload, counts));
  await sleep(WARM_UP_MS);
  const before = counts.answered;
  const begun = performance.now();
  server.kill('SIGTERM');
  const [code] = await ended;
  const milliseconds = performance.now() - begun;
  await Promise.all(clients);
  return { code, milliseconds, answeredAfter: counts.answered - before, lost: counts.lost };
}

const describe = ({ perSecond, p50, p99 }) =>
  `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;

async function measureAll(folder, workloads, settings) {
  const rows = [];
  for (const workload of workloads) {
    const runs = [...PLACES.map((place) => [place, 1]), ['none', 8]];
    for (const [place, maxBatch] of runs) {
      const row = await measure(folder, workload, place, maxBatch, settings);
      rows.push(row);
      const training =
        place === 'none' ? 'no training' : `training in ${NAMES[place]}, ${row.steps.toFixed(1)} steps/s`;
      console.log(
        `  ${workload.name}, batches of up to ${maxBatch}, ${training}: ${describe(row)}, ${row.cpuMs.toFixed(2)} ms of processor time of its process per request`,
      );
    }
  }
  return rows;
}

await check('service', goal, { seconds: 8, connections: 8, terminations: 5 }, (settings) =>
  inTemporary(async (directory) => {
    const folder = installExample('service');
    try {
      const workloads = await makeWorkloads(directory);
      const alone = await trainAlone(settings);
      console.log(`  training alone: ${alone.toFixed(1)} steps/s`);
      const rows = await measureAll(folder, workloads, settings);
      const replaced = await replaceModels(folder, workloads[0], settings);
      const terminated = [];
      for (let i = 0; i < settings.terminations; i++)
        terminated.push(await terminate(folder, workloads[i % workloads.length], settings));
      const lost = [...rows, replaced, ...terminated].reduce((sum, row) => sum + row.lost, 0);
      const clean = terminated.every(({ code, answeredAfter }) => code === 0 && answeredAfter > 0);
      const [idle, here, worker] = rows;
      return {
        pass: lost === 0 && clean && replaced.replaced > 1,
        figure:
          `${lost} lost; glyphs ${describe(idle)}; training in its thread ${describe(here)}, in a worker ${describe(worker)}; ` +
          `${replaced.replaced} models replaced under ${replaced.answered} requests; ` +
          `${terminated.length} ended with up to ${settings.connections} in flight`,
        details: { alone, rows, replaced, terminated },
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }),
);
