/**
 * Bottleneck linear layers (slides "Reducing # of parameters"): a net whose two wide layers are factored
 * through r units. It has fewer parameters, and can represent less.
 */
import { losses, nn, optim, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';
import { deviation, mean } from './lib/numbers.mjs';

const [COUNT, EPOCHS, TESTED, WIDTH, SEEDS] = [1000, 30, 2000, 512, [1, 2, 3]];
const RANKS = [1, 2, 4, 8, 16, 32, 64, 128];

const { name, train, test } = await digits(COUNT, TESTED);
const size = train.inputShape.reduce((a, b) => a * b);
const wide = (rank) => (from, to) => (rank ? nn.bottleneckLinear(from, to, { rank }) : nn.linear(from, to));
const network = (linear) =>
  nn.sequential(
    nn.flatten(),
    linear(size, WIDTH),
    nn.relu(),
    linear(WIDTH, WIDTH),
    nn.relu(),
    nn.linear(WIDTH, 10),
  );

/** The parameters of a net of this rank, or of the whole one, and its accuracies in percent. */
async function run(rank) {
  const found = { rank, parameters: 0, train: [], test: [], loss: [] };
  for (const seed of SEEDS) {
    const model = network(wide(rank)).initialize({ seed });
    found.parameters = [...model.namedParameters()].reduce((sum, [, each]) => sum + each.size, 0);
    const optimizer = optim.adam({ lr: 1e-3 });
    const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed });
    await trainer.fit(train, { epochs: EPOCHS, batchSize: 50 });
    found.train.push(100 * (await trainer.evaluate(train)).accuracy);
    const { accuracy, loss } = await trainer.evaluate(test);
    found.test.push(100 * accuracy);
    found.loss.push(loss);
  }
  return found;
}

const whole = await run();
const runs = [];
for (const rank of RANKS) runs.push(await run(rank));

const linearOf = (from, to, rank) => rank * (from + to) + to;
for (const { rank, parameters } of runs) {
  const expected = linearOf(size, WIDTH, rank) + linearOf(WIDTH, WIDTH, rank) + WIDTH * 10 + 10;
  if (parameters !== expected) throw new Error(`rank ${rank}: ${parameters} parameters, not ${expected}`);
}
console.log(`${COUNT} images of ${name}, tested on ${test.length}; means of ${SEEDS.length} seeds`);
table(
  ['r', 'parameters', 'share', 'training accuracy', 'test accuracy', 'deviation', 'test loss'],
  [...runs, whole].map((each) => [
    each.rank ?? 'whole',
    each.parameters,
    `${((100 * each.parameters) / whole.parameters).toFixed(1)}%`,
    `${mean(each.train).toFixed(1)}%`,
    `${mean(each.test).toFixed(1)}%`,
    deviation(each.test).toFixed(1),
    mean(each.loss).toFixed(3),
  ]),
);

const panel = (title, y, entries) => ({
  title,
  x: { label: 'units of the bottleneck, r', log: true, max: RANKS.at(-1) },
  y,
  series: entries.flatMap(([label, value]) => [
    { name: label, points: runs.map((each) => [each.rank, value(each)]) },
    { name: `${label}, whole net`, dashed: true, points: RANKS.map((rank) => [rank, value(whole)]) },
  ]),
});
const parameters = [['parameters', (each) => each.parameters]];
const accuracies = [
  ['training', (each) => mean(each.train)],
  ['test', (each) => mean(each.test)],
];
draw('bottleneck', `Bottleneck layers: ${size} - ${WIDTH} - ${WIDTH} - 10, ${COUNT} images of ${name}`, [
  [
    panel('parameters', { label: 'parameters', log: true, min: 1000 }, parameters),
    panel('accuracy', { label: 'accuracy, %' }, accuracies),
  ],
]);
