/**
 * Trains resnet20 on CIFAR-10 (random images where there is none) for some steps and prints the SHA-256 of
 * its weights. Prints a line per step event, so that the parent can kill it in the middle.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import {
  augment,
  checkpoint,
  data,
  info,
  losses,
  models,
  optim,
  schedules,
  setThreads,
  Trainer,
} from 'tenon';
import { findData } from '../process.mjs';
import { randomImages } from './images.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: { steps: text, batch: text, threads: text, checkpoints: text, every: text, resume: text },
});
const steps = Number(values.steps);
if (values.threads !== undefined) setThreads(Number(values.threads));

const dir = findData('cifar10');
const train = dir === undefined ? await randomImages(1280) : (await data.cifar10({ dir })).train;
const model = models.resnet20({ classes: 10 });
const trainer = new Trainer(model, {
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
  schedule: schedules.cosine(),
  augment: [augment.flip(), augment.randomCrop(32, { padding: 4 })],
  seed: 1,
});
const callbacks = [
  { onEvent: ({ type, step }) => void (type === 'step' && console.log(JSON.stringify({ step }))) },
];
if (values.checkpoints !== undefined)
  callbacks.push(checkpoint(values.checkpoints, { everySteps: Number(values.every) }));
const { steps: done } = await trainer.fit(train, {
  epochs: 1000,
  maxSteps: steps,
  batchSize: Number(values.batch),
  callbacks,
  ...(values.resume !== undefined && { resume: values.resume }),
});
const digest = createHash('sha256')
  .update(await model.toBuffer())
  .digest('hex');
console.log(JSON.stringify({ done, samples: train.length, threads: info().threads, digest }));
