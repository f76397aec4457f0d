/**
 * Trains a network on random images, alone or as a rank of a job, and prints the milliseconds of a step: the
 * median of those behind the first ones.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { distributed, info, losses, models, optim, Trainer } from 'tenon';
import { randomImages } from './images.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: { model: text, batch: text, steps: text, shards: text, side: text },
});
const [batch, steps, shards] = [values.batch, values.steps, values.shards].map(Number);
const WARM_UP = 3;

const world = await distributed.join();
const model = models[values.model]({ classes: 10 });
const trainer = new Trainer(model, {
  world,
  shards,
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.01, momentum: 0.9 }),
});
const times = [];
await trainer.fit(await randomImages(4 * batch, Number(values.side ?? 32)), {
  epochs: 1000,
  maxSteps: steps + WARM_UP,
  batchSize: batch,
  callbacks: [{ everySteps: 1, onSteps: () => void times.push(performance.now()) }],
});
const took = times.map((time, i) => time - times[i - 1]).slice(WARM_UP);
const median = took.sort((a, b) => a - b)[took.length >> 1];

// The exchange of a step by itself, from array to array.
const size = model.parameters().reduce((sum, { size: n }) => sum + n, 0);
const own = world.shards(Math.max(shards, world.size));
const arrays = Array.from({ length: own.end - own.begin }, () => new Float32Array(size));
const sums = [];
for (let i = 0; i < 5 && world.size > 1; i++) {
  const begin = performance.now();
  await world.sum(arrays, { shards });
  sums.push(performance.now() - begin);
}
const digest = createHash('sha256')
  .update(await model.toBuffer())
  .digest('hex');
if (world.rank === 0)
  console.log(
    JSON.stringify({
      ranks: world.size,
      threads: info().threads,
      median,
      sum: sums.sort((a, b) => a - b)[2],
      parameters: size,
      digest: digest.slice(0, 16),
    }),
  );
