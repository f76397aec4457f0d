/**
 * Writes search-table.json for search.mjs: a small network trained on 5,000 images of CIFAR-10 for 10
 * epochs with each of 200 settings, and its accuracy on 1,000 other images after each epoch. Takes about
 * 15 minutes on one core. What it has stays in runs/search-table until it ends, and it goes on there
 * after an interruption.
 *
 *     node scripts/verify/make-search-table.mjs
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { data, info, losses, NonFiniteError, optim, Trainer } from 'tenon';
import { remembered, requireData } from './process.mjs';
import { commit, machine, root } from './report.mjs';
import { network } from './searched-network.mjs';

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

const OPTIMIZERS = {
  sgd: (lr, weightDecay) => optim.sgd({ lr, momentum: 0.9, weightDecay }),
  adam: (lr, weightDecay) => optim.adamw({ lr, weightDecay }),
};

async function rowOf({ logLr, logDecay, width, optimizer }, train, validation) {
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
  return { accuracies };
}

const { train } = await data.cifar10({ dir: requireData('cifar10') });
const [images, validation] = train.split([5000, 1000]);
const folder = join(root, 'runs', 'search-table');
const begun = performance.now();
const rows = [];
for (const one of settings) {
  const name = `${String(rows.length).padStart(3, '0')}.json`;
  rows.push(await remembered(join(folder, name), () => rowOf(one, images, validation)));
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  const last = rows.at(-1).accuracies.at(-1);
  console.log(`${rows.length} of ${settings.length}, ${seconds} s: ${JSON.stringify(one)} ${last}`);
}
const { version, isa } = info();
const madeBy = { tenon: version, isa, cpu: machine().cpu, commit: commit() };
const lines = rows.map((row) => JSON.stringify(row)).join(',\n  ');
const text = `{\n "madeBy": ${JSON.stringify(madeBy)},\n "dimensions": ${JSON.stringify(dimensions)},\n "rows": [\n  ${lines}\n ]\n}\n`;
writeFileSync(join(root, 'scripts', 'verify', 'search-table.json'), text);
rmSync(folder, { recursive: true });
