/**
 * Trains resnet20 on CIFAR-10 (random images where there is none) for some steps, alone or as a rank of a
 * job, and prints the SHA-256 of its weights on rank 0.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { augment, checkpoint, data, distributed, losses, models, nn, optim, Trainer } from 'tenon';
import { randomImages } from './images.mjs';
import { findData } from '../process.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: { case: text, steps: text, batch: text, shards: text, save: text, every: text, resume: text },
});
const [steps, batch, shards] = [values.steps, values.batch, values.shards].map(Number);

/** What a case has beyond the plain training. */
const CASES = {
  plain: {},
  bf16: { trainer: { precision: 'bf16' } },
  dropout: { prepare: (model) => model.replaceHead(nn.sequential(nn.dropout(0.3), nn.linear(64, 10))) },
  mixup: { trainer: { augment: [augment.flip(), augment.randomCrop(32, { padding: 4 }), augment.mixup()] } },
  syncBatchNorm: { trainer: { syncBatchNorm: true } },
  accumulate: { fit: { batchSize: batch / 2, accumulate: 2 } },
};
const { prepare, trainer: more, fit } = CASES[values.case];

// A machine that others use may stop a rank for long, and here no rank is meant to hang.
const world = await distributed.join({ timeout: 600, answerTimeout: 600 });
const dir = findData('cifar10');
const train = dir === undefined ? await randomImages(20 * batch) : (await data.cifar10({ dir })).train;
const model = models.resnet20({ classes: 10 });
prepare?.(model);
const trainer = new Trainer(model, {
  world,
  shards,
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
  augment: [augment.flip(), augment.randomCrop(32, { padding: 4 })],
  seed: 1,
  ...more,
});
const { steps: done } = await trainer.fit(train, {
  epochs: 1000,
  maxSteps: steps,
  batchSize: batch,
  ...(values.save !== undefined && {
    callbacks: [checkpoint(values.save, { everySteps: Number(values.every) })],
  }),
  ...(values.resume !== undefined && { resume: values.resume }),
  ...fit,
});
if (world.rank === 0) {
  const digest = createHash('sha256')
    .update(await model.toBuffer())
    .digest('hex');
  console.log(JSON.stringify({ done, ranks: world.size, mpi: world.mpi?.version, digest }));
}
