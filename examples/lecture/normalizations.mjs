/**
 * Layer, instance and group norm beside batch norm (slides "Batch-like normalization"): which of them do in
 * training what they do at test time, and what small batches do to each (after Wu & He 2018, figure 1).
 */
import { data, losses, nn, optim, schedules, tensor, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { normal } from './lib/numbers.mjs';

/** Makers of a norm of C channels, over maps of S x S. */
const norms = {
  none: () => nn.identity(),
  batch: (channels) => nn.batchNorm2d(channels),
  layer: (channels, size) => nn.layerNorm([channels, size, size]),
  instance: (channels) => nn.instanceNorm2d(channels, { affine: true }),
  group: (channels) => nn.groupNorm(channels / 4, channels),
};
const network = (norm) =>
  nn.sequential(
    nn.conv2d(1, 8, { kernel: 3, stride: 2, padding: 1 }),
    norm(8, 14),
    nn.relu(),
    nn.conv2d(8, 16, { kernel: 3, stride: 2, padding: 1 }),
    norm(16, 7),
    nn.relu(),
    nn.conv2d(16, 32, { kernel: 3, stride: 2, padding: 1 }),
    norm(32, 4),
    nn.relu(),
    nn.globalAvgPool2d(),
    nn.flatten(),
    nn.linear(32, 10),
  );

const BATCHES = [32, 16, 8, 4, 2];
const { train, test } = await data.glyphs({ trainCount: 2048, testCount: 1000 });

const EPOCHS = 8;
const draws = normal(1);
const images = tensor(Float32Array.from({ length: 32 * 784 }, draws), [32, 1, 28, 28]);

/** The largest difference between a model's outputs for images in training and at test time. */
async function difference(model) {
  const outputs = [];
  for (const training of [true, false]) outputs.push(await model.train(training).forward(images).data());
  return outputs[0].reduce((most, value, i) => Math.max(most, Math.abs(value - outputs[1][i])), 0);
}

/** Errors by batch size; rates follow the linear scaling rule. */
async function errors(norm) {
  const found = { train: [], test: [], difference: 0 };
  for (const batchSize of BATCHES) {
    const lr = schedules.linearScaling(0.2, { batchSize, baseBatchSize: 32 });
    const trainer = new Trainer(network(norm), {
      loss: losses.crossEntropy(),
      optimizer: optim.sgd({ lr, momentum: 0.9 }),
      schedule: schedules.cosine(),
      seed: 1,
    });
    const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize });
    found.train.push(1 - epochs.at(-1).trainAccuracy);
    found.test.push(1 - (await trainer.evaluate(test)).accuracy);
    found.difference = Math.max(found.difference, await difference(trainer.model));
  }
  return found;
}

const results = [];
for (const [name, norm] of Object.entries(norms)) results.push({ name, ...(await errors(norm)) });
for (const part of ['train', 'test']) {
  table(
    [`${part} error, batch of`, ...BATCHES],
    results.map((each) => [each.name, ...each[part].map((error) => `${(100 * error).toFixed(1)}%`)]),
  );
  console.log();
}
table(
  ['norm', 'training and test time differ by at most'],
  results.map((each) => [each.name, each.difference === 0 ? '0' : each.difference.toPrecision(3)]),
);

const panel = (title, part) => ({
  title,
  x: { label: 'samples in a batch', names: BATCHES.map(String) },
  y: { label: 'error, %', min: 0 },
  series: results.map((each) => ({ name: each.name, points: each[part].map((error) => 100 * error) })),
});
draw('normalizations', 'Norms and small batches', [
  [panel('training error in the last epoch', 'train'), panel('test error', 'test')],
]);
