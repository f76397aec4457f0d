/**
 * Fractional max pooling (Graham 2014; slides "Stochastic regularization"): regions that are drawn anew in
 * training, in random and pseudorandom order, disjoint and overlapping; at test time, the mean over several
 * regions. A picture of what each kind does to an image.
 */
import { compile, losses, nn, ops, optim, schedules, tensor, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits, pixelsOf } from './lib/images.mjs';
import { deviation, mean } from './lib/numbers.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const RATIO = Math.SQRT1_2;
const KINDS = ['random', 'pseudorandom'].flatMap((sequence) =>
  ['disjoint', 'overlapping'].map((kernel) => ({ sequence, kernel, label: `${sequence}, ${kernel}` })),
);

const [COUNT, EPOCHS, TESTED, SEEDS] = [1000, 8, 1000, [1, 2]];
const PASSES = [1, 2, 4, 8, 16];
const { name, train, test } = await digits(COUNT, TESTED);
const shape = train.inputShape;

/** A digit, and what pooling twice leaves of it in several draws. */
async function pictures() {
  const image = (await pixelsOf(train.take(1))).slice();
  const rows = [];
  for (const { sequence, kernel, label } of KINDS) {
    const options = { outputRatio: RATIO, sequence, draw: true };
    const once = (x) => ops.fractionalMaxPool2d(x, kernel, options);
    // Each run of a compiled function draws anew.
    const twice = compile((x) => once(once(x)));
    const row = [await png(image, shape)];
    for (let i = 0; i < 5; i++) {
      const pooled = await twice(tensor(image, [1, ...shape]));
      row.push(await png(await pooled.data(), pooled.shape.slice(1)));
    }
    rows.push({ label, pictures: row });
  }
  drawPictures('fractional-regions', `Fractional max pooling of a digit, twice by the root of two`, rows);
}
await pictures();

/** Halves the area four times, each time behind a convolution. */
function network(pool) {
  const widths = [8, 16, 24, 32];
  const stages = widths.flatMap((width, i) => [
    nn.conv2d(widths[i - 1] ?? shape[0], width, { kernel: 3, padding: 1, bias: false }),
    nn.batchNorm2d(width),
    nn.relu(),
    pool(i),
  ]);
  return nn.sequential(...stages, nn.globalAvgPool2d(), nn.flatten(), nn.linear(32, 10));
}

const pools = {
  ...Object.fromEntries(
    KINDS.map(({ label, kernel, sequence }) => [
      label,
      () => nn.fractionalMaxPool2d(kernel, { outputRatio: RATIO, sequence }),
    ]),
  ),
  '2x2 max pooling': (i) => (i % 2 === 1 ? nn.maxPool2d(2) : nn.identity()),
};

async function run(pool) {
  const found = { training: [], fixed: [], passes: PASSES.map(() => []), losses: PASSES.map(() => []) };
  for (const seed of SEEDS) {
    const optimizer = optim.sgd({ lr: 0.05, momentum: 0.9 });
    const options = { loss: losses.crossEntropy(), optimizer, schedule: schedules.cosine(), seed };
    const trainer = new Trainer(network(pool), options);
    const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize: 25 });
    found.training.push(epochs.at(-1).trainLoss);
    found.fixed.push(100 * (1 - (await trainer.evaluate(test)).accuracy));
    for (const [i, samples] of PASSES.entries()) {
      const { accuracy, loss } = await trainer.evaluate(test, { samples, seed: 1 });
      found.passes[i].push(100 * (1 - accuracy));
      found.losses[i].push(loss);
    }
  }
  return found;
}

const runs = {};
for (const [label, pool] of Object.entries(pools)) runs[label] = await run(pool);
console.log(`${COUNT} images of ${name}, tested on ${TESTED}; means of ${SEEDS.length} seeds`);
table(
  [
    'regions',
    'training loss',
    'test error, fixed regions',
    'deviation',
    ...PASSES.map((k) => `${k} drawn`),
    'test loss, 1 drawn',
    `${PASSES.at(-1)} drawn`,
  ],
  Object.entries(runs).map(([label, { training, fixed, passes, losses: each }]) => [
    label,
    mean(training).toFixed(3),
    `${mean(fixed).toFixed(1)}%`,
    deviation(fixed).toFixed(1),
    ...passes.map((errors) => `${mean(errors).toFixed(1)}%`),
    mean(each[0]).toFixed(3),
    mean(each.at(-1)).toFixed(3),
  ]),
);

const panel = (title, y, key) => ({
  title,
  x: { label: 'passes', log: true, max: PASSES.at(-1) },
  y,
  series: Object.entries(runs).map(([label, found]) => ({
    name: label,
    dashed: label === '2x2 max pooling',
    points: PASSES.map((k, i) => [k, mean(found[key][i])]),
  })),
});
draw('fractional-pooling', `Fractional max pooling: ${COUNT} images of ${name}`, [
  [
    panel('test error, mean over k draws of regions', { label: 'error, %' }, 'passes'),
    panel('negative log-likelihood', { label: 'loss' }, 'losses'),
  ],
]);
