/**
 * What the learning rate does to the loss (slides "Learning rate"): very high, high, good and low; why it
 * should decay; and the rule that a batch N times as large wants a rate N times as high.
 */
import { data, losses, nn, optim, schedules, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters } from './lib/numbers.mjs';

const EPOCHS = 30;
const points = clusters({ count: 1024, size: 32, classes: 10, noise: 3 });
const set = await data.fromFeatures({ inputs: points.x, shape: [32], targets: points.y });
/** Higher losses are drawn at this height. */
const TOP = 5;

/** The loss on the training set after every epoch, for a net of 32 - 64 relu - 10 and plain SGD. */
async function train(name, { lr, batchSize = 16, schedule = schedules.constant() }) {
  const model = nn.sequential(nn.linear(32, 64), nn.relu(), nn.linear(64, 10));
  const optimizer = optim.sgd({ lr });
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, schedule, seed: 1 });
  const { epochs } = await trainer.fit(set, { epochs: EPOCHS, batchSize, validation: set });
  return { name, points: epochs.map(({ epoch, validationLoss }) => [epoch, validationLoss]) };
}

const rates = [
  await train('very high: 0.5', { lr: 0.5 }),
  await train('high: 0.35', { lr: 0.35 }),
  await train('good: 0.1', { lr: 0.1 }),
  await train('low: 0.001', { lr: 0.001 }),
];
const decays = [
  await train('constant', { lr: 0.35 }),
  await train('half every 5 epochs', { lr: 0.35, schedule: schedules.step({ size: 5, gamma: 0.5 }) }),
  await train('exponential, k = 0.15', { lr: 0.35, schedule: schedules.exponential({ k: 0.15 }) }),
  await train('1 / (1 + t)', { lr: 0.35, schedule: schedules.inverse({ k: 1 }) }),
  await train('cosine', { lr: 0.35, schedule: schedules.cosine() }),
];
const lr = 0.05;
const large = { batchSize: 128, lr: schedules.linearScaling(lr, { batchSize: 128, baseBatchSize: 16 }) };
const batches = [
  await train('batch 16, rate 0.05', { lr }),
  await train('batch 128, rate 0.05', { lr, batchSize: 128 }),
  await train(`batch 128, rate ${large.lr}`, large),
  await train('the same after warm-up', {
    ...large,
    schedule: schedules.warmup(5, undefined, { per: 'epoch' }),
  }),
];

for (const [title, runs] of Object.entries({
  'constant rate': rates,
  'from 0.35': decays,
  'batch and rate': batches,
})) {
  const at = [1, 10, EPOCHS];
  table(
    [title, ...at.map((epoch) => `epoch ${epoch}`)],
    runs.map((run) => [run.name, ...at.map((epoch) => run.points[epoch - 1][1].toPrecision(3))]),
  );
  console.log();
}

const panel = (title, runs, y) => ({
  title,
  x: { label: 'epoch' },
  y: { label: 'training loss', min: 0, ...y },
  series: runs.map((run) => ({ ...run, points: run.points.map(([x, loss]) => [x, Math.min(loss, TOP)]) })),
  legend: 'right',
});
draw('learning-rates', 'The learning rate and the loss', [
  [
    panel('four rates, constant', rates, { max: TOP }),
    panel('the high rate, decayed', decays, { max: TOP }),
    panel('batch x 8, rate x 8', batches, { max: 3 }),
  ],
]);
