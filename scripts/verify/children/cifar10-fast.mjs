/**
 * Trains the short recipe of cifar10-recipe.json with tenon: `cifar10-fast.mjs DIRECTORY SEED PRECISION`.
 * DIRECTORY holds decoded images and labels (train.images, train.labels, test.images, test.labels). Prints
 * one JSON line per epoch, then { accuracy, seconds }.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { augment, data, losses, nn, optim, Trainer } from 'tenon';

const [directory, seed = '1', precision = 'fp32'] = process.argv.slice(2);
const recipe = JSON.parse(readFileSync(new URL('cifar10-recipe.json', import.meta.url), 'utf8'));

const read = (name) => new Uint8Array(readFileSync(join(directory, name)));
const split = (name) =>
  data.fromArrays({ images: read(`${name}.images`), labels: read(`${name}.labels`), shape: [32, 32, 3] });

/** conv 3x3, (max pool 2), batch norm, relu. */
const block = (from, to, pool) => [
  nn.conv2d(from, to, { kernel: 3, padding: 1, bias: false }),
  ...(pool ? [nn.maxPool2d(2)] : []),
  nn.batchNorm2d(to),
  nn.relu(),
];

function network([a, b, c, d]) {
  return nn.sequential(
    ...block(3, a, false),
    ...block(a, b, true),
    ...block(b, b, false),
    ...block(b, c, true),
    ...block(c, c, false),
    ...block(c, d, true),
    ...block(d, d, false),
    nn.maxPool2d(4),
    nn.flatten(),
    nn.linear(d, 10),
  );
}

/** Rises in a line, then falls in a line (Smith & Topin 2019, super-convergence). */
function triangle({ step, totalSteps }) {
  const { warmupShare, startFactor, endFactor } = recipe;
  const top = warmupShare * totalSteps;
  if (step < top) return startFactor + ((1 - startFactor) * step) / top;
  return Math.max(endFactor, (totalSteps - step) / (totalSteps - top));
}

const [train, test] = await Promise.all(['train', 'test'].map(split));
const { lr, momentum, weightDecay, labelSmoothing, cropPadding, epochs, batchSize } = recipe;
const trainer = new Trainer(network(recipe.widths), {
  loss: losses.crossEntropy({ labelSmoothing }),
  optimizer: optim.sgd({
    lr,
    momentum,
    nesterov: true,
    weightDecay,
    groups: [{ match: /\.bias$/, weightDecay: 0 }],
  }),
  schedule: triangle,
  augment: [augment.flip(), augment.randomCrop(32, { padding: cropPadding })],
  seed: Number(seed),
  precision,
});
const begun = performance.now();
const fit = trainer.fit(train, { epochs, batchSize });
for await (const event of fit) if (event.type === 'epoch') console.log(JSON.stringify(event));
const seconds = (performance.now() - begun) / 1000;
const { accuracy } = await trainer.evaluate(test);
console.log(JSON.stringify({ accuracy, seconds }));
