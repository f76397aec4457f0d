/**
 * DropConnect (Wan et al. 2013; slides "Stochastic regularization"): training drops connections, and all of
 * them are used at test time. One mask for a step, as is cheap, and one for each example, as in the paper;
 * beside dropout, which drops units, and none.
 */
import { losses, nn, optim, tensor, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';
import { deviation, mean, normal } from './lib/numbers.mjs';

const P = 0.5;

/** One neuron of WIDTH connections: its output in many draws of connections, and with all of them. */
async function neuron() {
  const [ROWS, WIDTH] = [16384, 64];
  const draws = normal(3);
  const x = Float32Array.from({ length: WIDTH }, draws);
  const rows = tensor(
    Float32Array.from({ length: ROWS * WIDTH }, (_, i) => x[i % WIDTH]),
    [ROWS, WIDTH],
  );
  const options = { dropConnect: P, dropConnectPer: 'example' };
  const layer = nn.linear(WIDTH, 1, options).initialize({ seed: 1, weights: 'xavierNormal' });
  const outputs = async (training) => layer.train(training).forward(rows).data();
  const training = await outputs(true);
  const [all] = await outputs(false);
  return { count: ROWS, training: mean(training), error: deviation(training) / Math.sqrt(ROWS), all };
}

const one = await neuron();
console.log(
  `a neuron: mean of ${one.count} draws ${one.training.toFixed(4)} (standard error ${one.error.toFixed(4)}), with all connections ${one.all.toFixed(4)}`,
);
if (Math.abs(one.training - one.all) > 4 * one.error)
  throw new Error('training and test time differ in expectation');

const [COUNT, EPOCHS, HELD, WIDTH, PASSES] = [1000, 60, 1000, 256, 16];
const { name, train, test } = await digits(COUNT, HELD);
const size = train.inputShape.reduce((a, b) => a * b);

/** The options of the linear layers, and what stands behind each. */
const kinds = {
  none: { options: {} },
  'dropout of units': { options: {}, behind: () => nn.dropout(P) },
  'DropConnect, mask per step': { options: { dropConnect: P } },
  'DropConnect, mask per example': { options: { dropConnect: P, dropConnectPer: 'example' } },
};

async function run({ options, behind }) {
  const hidden = () => [nn.linear(WIDTH, WIDTH, options), nn.relu(), ...(behind ? [behind()] : [])];
  const layers = [nn.linear(size, WIDTH), nn.relu(), ...hidden(), ...hidden()];
  const model = nn.sequential(nn.flatten(), ...layers, nn.linear(WIDTH, 10));
  const optimizer = optim.sgd({ lr: 0.02, momentum: 0.9 });
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed: 1 });
  const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize: 50, validation: test });
  return {
    epochs,
    all: await trainer.evaluate(test),
    trained: await trainer.evaluate(train),
    noisy: await trainer.evaluate(test, { samples: 1, seed: 1 }),
    averaged: await trainer.evaluate(test, { samples: PASSES, seed: 1 }),
  };
}

const runs = {};
for (const [kind, how] of Object.entries(kinds)) runs[kind] = await run(how);
const shown = ({ loss, accuracy }) => `${loss.toFixed(3)}, ${(100 * accuracy).toFixed(1)}%`;
console.log(`\n${COUNT} images of ${name}: loss and accuracy on ${HELD} others after ${EPOCHS} epochs`);
table(
  ['', 'training images', 'all connections', 'one noisy pass', `mean of ${PASSES} noisy passes`],
  Object.entries(runs).map(([kind, { trained, all, noisy, averaged }]) => [
    kind,
    ...[trained, all, noisy, averaged].map(shown),
  ]),
);

const panel = (title, key) => ({
  title,
  x: { label: 'epoch' },
  y: { label: 'loss', min: 0, max: 1.2 },
  series: Object.entries(runs).map(([kind, { epochs }]) => ({
    name: kind,
    points: epochs.map((epoch, i) => [i + 1, Math.min(1.2, epoch[key])]),
  })),
});
draw('drop-connect', `DropConnect: ${COUNT} images of ${name}`, [
  [
    panel('training loss, with noise', 'trainLoss'),
    panel('validation loss, with all connections', 'validationLoss'),
  ],
]);
