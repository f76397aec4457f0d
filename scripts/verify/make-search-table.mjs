/**
 * Writes search-table.json for search.mjs: a small network trained on 5,000 images of CIFAR-10 for 10 epochs
 * with each of 200 settings, and its accuracy on 1,000 other images after each epoch. Takes about ten minutes
 * on two cores. `--settings N` trains the first N and writes nothing.
 *
 *     node scripts/verify/make-search-table.mjs
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { data, info, losses, nn, NonFiniteError, optim, Trainer } from 'tenon';
import { requireData } from './process.mjs';
import { commit, machine, root } from './report.mjs';

const EPOCHS = 10;
const BATCH = 64;

/** Every combination is a row, the last dimension fastest. */
const dimensions = [
  { name: 'logLr', domain: { type: 'float', low: -4, high: -1, log: false, step: 0.75 } },
  { name: 'logDecay', domain: { type: 'float', low: -6, high: -2, log: false, step: 1 } },
  { name: 'width', domain: { type: 'choice', choices: [4, 8, 12, 16] } },
  { name: 'optimizer', domain: { type: 'choice', choices: ['sgd', 'adam'] } },
];

const valuesOf = ({ type, low, high, step, choices }) =>
  type === 'choice'
    ? choices
    : Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);

const settings = dimensions.reduce(
  (all, { name, domain }) =>
    all.flatMap((one) => valuesOf(domain).map((value) => ({ ...one, [name]: value }))),
  [{}],
);

const network = (width) =>
  nn.sequential(
    nn.conv2d(3, width, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(width, 2 * width, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(128 * width, 10),
  );

const OPTIMIZERS = {
  sgd: (lr, weightDecay) => optim.sgd({ lr, momentum: 0.9, weightDecay }),
  adam: (lr, weightDecay) => optim.adamw({ lr, weightDecay }),
};

async function accuraciesOf({ logLr, logDecay, width, optimizer }, train, validation) {
  const trainer = new Trainer(network(width), {
    loss: losses.crossEntropy(),
    optimizer: OPTIMIZERS[optimizer](10 ** logLr, 10 ** logDecay),
    seed: 1,
  });
  const accuracies = [];
  try {
    const events = trainer.fit(train, { epochs: EPOCHS, batchSize: BATCH, validation });
    for await (const event of events) if (event.type === 'epoch') accuracies.push(event.validationAccuracy);
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
  }
  // What has diverged guesses.
  while (accuracies.length < EPOCHS) accuracies.push(0.1);
  return accuracies;
}

const { values } = parseArgs({ options: { settings: { type: 'string' } } });
const count = Number(values.settings ?? settings.length);
const { train } = await data.cifar10({ dir: requireData('cifar10') });
const [images, validation] = train.split([5000, 1000]);
const begun = performance.now();
const rows = [];
for (const one of settings.slice(0, count)) {
  rows.push({ accuracies: await accuraciesOf(one, images, validation) });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(
    `${rows.length} of ${count}, ${seconds} s: ${JSON.stringify(one)} ${rows.at(-1).accuracies.at(-1)}`,
  );
}
if (count === settings.length) {
  const { version, isa } = info();
  const madeBy = { tenon: version, isa, cpu: machine().cpu, commit: commit() };
  const lines = rows.map((row) => JSON.stringify(row)).join(',\n  ');
  const text = `{\n "madeBy": ${JSON.stringify(madeBy)},\n "dimensions": ${JSON.stringify(dimensions)},\n "rows": [\n  ${lines}\n ]\n}\n`;
  writeFileSync(join(root, 'scripts', 'verify', 'search-table.json'), text);
}
