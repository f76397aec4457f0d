/**
 * The lottery ticket hypothesis (Frankle & Carbin 2019): a dense net of 784 - 300 - 100 - 10 is trained, the
 * smallest weights are pruned, the rest goes back to its initial values, again and again. The sparse nets
 * found train as well as the whole one; with other initial weights, or with weights pruned at random, nets of
 * the same size do not.
 */
import { losses, nn, optim, prune, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';

const SEEDS = [1, 2];
const ROUNDS = 10;
/**
 * The share of the remaining weights that each round prunes; the output layer loses half of it, as in the
 * paper. Four rounds leave 20 %.
 */
const AMOUNT = 1 - 0.2 ** (1 / 4);
/** Rounds after which the two controls are trained. */
const COMPARED = [2, 4, 6, 8, 10];
const EPOCHS = 2;
const BATCH = 60;

const { name, train, test } = await digits(20_000, 10_000);
const pixels = train.inputShape.reduce((a, b) => a * b);

const network = (seed) =>
  nn
    .sequential(
      nn.flatten(),
      nn.linear(pixels, 300),
      nn.relu(),
      nn.linear(300, 100),
      nn.relu(),
      nn.linear(100, 10),
    )
    .initialize({ seed, weights: 'xavierNormal', biases: 'zeros' });

async function accuracy(model, seed) {
  const trainer = new Trainer(model, {
    loss: losses.crossEntropy(),
    optimizer: optim.adam({ lr: 1.2e-3 }),
    seed,
  });
  await trainer.fit(train, { epochs: EPOCHS, batchSize: BATCH });
  return (await trainer.evaluate(test, { batchSize: 500 })).accuracy;
}

const share = ({ remaining, total }) => remaining / total;
const amount = (parameter) => (parameter === '5.weight' ? AMOUNT / 2 : AMOUNT);

/** The accuracies of one seed, by round. */
async function play(seed) {
  const rounds = [];
  const model = network(seed);
  const options = { rounds: ROUNDS, amount, train: () => accuracy(model, seed) };
  for await (const { round, sparsity, result } of prune.lotteryTicket(model, options)) {
    const entry = { left: share(sparsity), ticket: result };
    if (COMPARED.includes(round)) {
      const other = network(seed + 100);
      const masks = await prune.masks(model);
      await prune.setMasks(other, masks);
      entry.reinitialized = await accuracy(other, seed);
      const scattered = network(seed);
      for (const [match, mask] of masks) {
        const gone = mask.filter((kept) => kept === 0).length / mask.length;
        await prune.random(scattered, { match, amount: gone, seed });
      }
      entry.random = await accuracy(scattered, seed);
      other.dispose();
      scattered.dispose();
    }
    rounds.push(entry);
  }
  model.dispose();
  return rounds;
}

const games = [];
for (const seed of SEEDS) games.push(await play(seed));

/** Means over the seeds, in percent: undefined where there is no such net. */
const means = games[0].map((entry, round) => ({
  left: 100 * entry.left,
  ...Object.fromEntries(
    ['ticket', 'reinitialized', 'random']
      .filter((kind) => entry[kind] !== undefined)
      .map((kind) => [kind, games.reduce((sum, game) => sum + (100 * game[round][kind]) / games.length, 0)]),
  ),
}));
console.log(
  `${name}: ${train.length} images, ${EPOCHS} epochs, accuracy on ${test.length}, mean of ${SEEDS.length} seeds`,
);
const percent = (value) => (value === undefined ? '' : value.toFixed(2));
table(
  ['weights left', 'winning ticket', 'same masks, other weights', 'random masks, same weights'],
  means.map(({ left, ticket, reinitialized, random }) => [
    `${left.toFixed(1)}%`,
    ...[ticket, reinitialized, random].map(percent),
  ]),
);

const curve = (kind) =>
  means.filter((entry) => entry[kind] !== undefined).map((entry) => [entry.left, entry[kind]]);
const series = (least) =>
  [
    { name: 'winning ticket', points: curve('ticket') },
    { name: 'its masks, other weights', points: curve('reinitialized') },
    { name: 'random masks, its weights', points: curve('random') },
    { name: 'whole net', dashed: true, points: means.map(({ left }) => [left, means[0].ticket]) },
  ].map((each) => ({ ...each, points: each.points.filter(([left]) => left >= least) }));
const panel = (title, least) => ({
  title,
  x: { label: 'weights left, %', log: true },
  y: { label: 'test accuracy, %' },
  series: series(least),
});
draw('lottery-ticket', `Lottery tickets: ${pixels} - 300 - 100 - 10 on ${name}`, [
  [panel('after the same training', 0), panel('down to a tenth of the weights', 8)],
]);
