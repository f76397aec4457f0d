/**
 * `features.mjs`, in a user's folder that has tenon and sharp: what a runtime must do for tenon besides
 * loading it. Each feature is one line of JSON: its name, and the error where it fails.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { augment, checkpoint, data, load, losses, nn, optim, Trainer, tune } from 'tenon';
import sharp from 'sharp';

const folder = mkdtempSync(join(tmpdir(), 'tenon-features-'));
const saved = join(folder, 'model.safetensors');
const few = async () => (await data.glyphs()).train.take(512);

function trainer(options = {}) {
  const model = nn.sequential(nn.flatten(), nn.linear(28 * 28, 10));
  return new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.sgd({ lr: 0.05 }),
    seed: 1,
    ...options,
  });
}

const fit = async (options, more) =>
  (await trainer(more).fit(await few(), { epochs: 2, batchSize: 64, ...options })).epochs.at(-1).trainLoss;

function expect(condition) {
  if (!condition) throw new Error('not as expected');
}

const module = (name, text) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const features = {
  async 'saved models, images decoded by sharp, predictions'() {
    const trained = trainer();
    await trained.fit(await few(), { epochs: 1, batchSize: 64 });
    await trained.model.save(saved);
    const model = await load(saved);
    const background = { r: 255, g: 0, b: 0 };
    const image = await sharp({ create: { width: 40, height: 30, channels: 3, background } })
      .png()
      .toBuffer();
    expect((await model.predict(await data.decode(image, model))).length === 10);
  },
  async 'events, and an event loop that stays free'() {
    let ticks = 0;
    const events = [];
    const timer = setInterval(() => ticks++, 1);
    for await (const event of trainer().fit(await few(), { epochs: 40, batchSize: 64 })) events.push(event);
    clearInterval(timer);
    expect(ticks > 5 && events.length > 40);
  },
  async 'an AbortSignal'() {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    const failed = await fit({ epochs: 100_000, signal: stop.signal }).catch((error) => error);
    expect(failed.code === 'ERR_TENON_ABORTED');
  },
  async 'checkpoints, resumed to the same bits'() {
    const directory = join(folder, 'run');
    await fit({ callbacks: [checkpoint(directory)] });
    expect((await fit({ epochs: 4, resume: directory })) === (await fit({ epochs: 4 })));
  },
  async 'worker threads'() {
    const worker = new Worker(new URL(import.meta.url));
    const loss = await new Promise((done, failed) => worker.on('message', done).on('error', failed));
    await worker.terminate();
    expect(loss === (await fit()));
  },
  async 'own augmentations in worker threads'() {
    const own = module('own.mjs', 'export default (pixels) => { pixels.reverse(); };');
    const [one, two] = [0, 2].map((workers) => ({ augment: [augment.custom(own, { workers })] }));
    expect((await fit({}, one)) === (await fit({}, two)));
  },
  async 'trials in worker processes'() {
    const objective = module('objective.mjs', 'export default async ({ x }) => x * x;');
    const study = await tune.study(join(folder, 'search'), { space: { x: tune.uniform(1, 2) } });
    const values = [];
    for await (const { value } of study.run(objective, { trials: 4, workers: 2 })) values.push(value);
    expect(values.length === 4 && values.every((value) => value >= 1));
  },
};

if (isMainThread) {
  for (const [feature, work] of Object.entries(features)) {
    const error = await work().then(
      () => undefined,
      (problem) => String(problem?.stack ?? problem),
    );
    console.log(JSON.stringify({ feature, error }));
  }
  rmSync(folder, { recursive: true });
} else {
  parentPort.postMessage(await fit());
}
