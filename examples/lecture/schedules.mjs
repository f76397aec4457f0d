/**
 * Learning rates over time (slides "Learning rate decay"): every schedule, drawn by `schedules.curve`; the
 * range test; and the plateau of a real run.
 */
import { data, losses, nn, optim, rateRange, schedules, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters } from './lib/numbers.mjs';

const EPOCHS = 100;
const STEPS_PER_EPOCH = 10;
const LR = 0.1;

const lines = (all, lr = LR) =>
  Object.entries(all).map(([name, schedule]) => ({
    name,
    points: schedules
      .curve(schedule, { epochs: EPOCHS, stepsPerEpoch: STEPS_PER_EPOCH, lr })
      .filter((_, i) => i % 2 === 0)
      .map(({ epoch, learningRate }) => [epoch, learningRate]),
  }));
const rate = { label: 'learning rate', min: 0, max: 0.14 };
const epoch = { label: 'epoch' };

const decays = lines({
  constant: schedules.constant(),
  'multi-step 30/60/90 x 0.1': schedules.multiStep({ milestones: [30, 60, 90] }),
  'step, half every 20': schedules.step({ size: 20, gamma: 0.5 }),
  'exponential e^-0.03t': schedules.exponential({ k: 0.03 }),
  '1 / (1 + 0.1 t)': schedules.inverse({ k: 0.1 }),
  'inverse square root': schedules.inverseSqrt({ per: 'epoch' }),
});
const ends = lines({
  cosine: schedules.cosine(),
  linear: schedules.linear(),
  'polynomial, power 2': schedules.polynomial({ power: 2 }),
  'polynomial, power 0.5': schedules.polynomial({ power: 0.5 }),
});
const warm = { per: 'epoch' };
const warmups = lines({
  'warm-up, multi-step': schedules.warmup(10, schedules.multiStep({ milestones: [30, 60, 90] }), warm),
  'warm-up, cosine': schedules.warmup(10, schedules.cosine(), warm),
  'warm-up, inverse square root': schedules.warmup(
    10 * STEPS_PER_EPOCH,
    schedules.inverseSqrt({ from: 10 * STEPS_PER_EPOCH }),
  ),
});
const scaledRates = [256, 512, 1024].flatMap((batchSize) => {
  const lr = schedules.linearScaling(LR, { batchSize });
  const schedule = schedules.warmup(10, schedules.multiStep({ milestones: [30, 60, 90] }), warm);
  return lines({ [`batch ${batchSize}: rate ${lr.toPrecision(2)}`]: schedule }, lr);
});
const cycles = lines({
  'SGDR, period 10, then x 2': schedules.warmRestarts({
    period: 10 * STEPS_PER_EPOCH,
    growth: 2,
    per: 'step',
  }),
  'one-cycle': schedules.oneCycle(),
});

/** A net and noisy data, small enough to train in seconds. */
const points = clusters({ count: 1024, size: 32, classes: 10, noise: 3 });
const set = await data.fromFeatures({ inputs: points.x, shape: [32], targets: points.y });
const network = () => nn.sequential(nn.linear(32, 64), nn.relu(), nn.linear(64, 10));
const loss = losses.crossEntropy();

/** A run with the plateau schedule, and the same schedule drawn from the history of the run. */
async function plateau() {
  const schedule = schedules.reduceOnPlateau({
    metric: 'trainLoss',
    factor: 0.3,
    patience: 3,
    threshold: 0.001,
  });
  const optimizer = optim.sgd({ lr: 0.1 });
  const trainer = new Trainer(nn.linear(32, 10), { loss, optimizer, schedule, seed: 1 });
  const { epochs } = await trainer.fit(set, { epochs: 50, batchSize: 16 });
  const drawn = schedules.curve(schedule, { epochs: 50, lr: 0.1, history: epochs });
  return { epochs, drawn };
}
const { epochs, drawn } = await plateau();
const apart = Math.max(
  ...epochs.map(({ learningRate }, i) => Math.abs(learningRate - drawn[i].learningRate)),
);

const range = await rateRange(network(), set, {
  loss,
  optimizer: optim.sgd({ lr: 1, momentum: 0.9 }),
  from: 1e-4,
  to: 100,
  steps: 200,
  seed: 1,
});
const swept = (key) => range.points.map((point) => [point.learningRate, point[key]]);
const suggested = swept('smoothed').find(([lr]) => lr >= range.suggestion);
const lowest = range.points.reduce((best, point) => (point.smoothed < best.smoothed ? point : best));

const at = (line, t) => line.points.find(([x]) => x >= t)[1].toPrecision(3);
const all = [...decays, ...ends, ...warmups, ...scaledRates, ...cycles];
table(
  ['schedule, from 0.1', 'epoch 0', '5', '30', '60', '99'],
  all.map((line) => [line.name, ...[0, 5, 30, 60, 99].map((t) => at(line, t))]),
);
console.log(`the plateau's rates in the run and in the drawing differ by at most ${apart}`);
console.log(
  `rates that the plateau came to: ${[...new Set(drawn.map((p) => p.learningRate.toPrecision(2)))].join(', ')}`,
);
console.log(
  `range test: least smoothed loss at ${lowest.learningRate.toPrecision(2)}, suggestion ${range.suggestion.toPrecision(2)}`,
);

draw('schedules', 'Learning rates over time', [
  [
    { title: 'decays', x: epoch, y: rate, series: decays, legend: 'right' },
    { title: 'decays that end with the training', x: epoch, y: rate, series: ends, legend: 'right' },
    { title: 'linear warm-up into others', x: epoch, y: rate, series: warmups, legend: 'right' },
  ],
  [
    {
      title: 'linear scaling rule: batch x N, rate x N',
      x: epoch,
      y: { ...rate, max: 0.5 },
      series: scaledRates,
      legend: 'right',
    },
    { title: 'warm restarts and one cycle', x: epoch, y: rate, series: cycles, legend: 'right' },
    {
      title: 'range test: the loss while the rate rises',
      x: { label: 'learning rate', log: true },
      y: { label: 'loss', min: 0, max: 6 },
      legend: 'left',
      series: [
        { name: 'loss', color: '#ccc', width: 1, points: swept('loss') },
        { name: 'smoothed', points: swept('smoothed') },
        {
          name: 'suggestion',
          kind: 'scatter',
          symbol: 'diamond',
          size: 9,
          color: '#000',
          points: [suggested],
        },
      ],
    },
  ],
  [
    {
      title: 'reduce on plateau: the training loss ...',
      x: epoch,
      y: { label: 'training loss' },
      legend: 'right',
      series: [{ name: 'training loss', points: epochs.map(({ trainLoss }, i) => [i, trainLoss]) }],
    },
    {
      title: '... and the rate that follows it',
      x: epoch,
      y: { label: 'learning rate', log: true },
      legend: 'right',
      series: [{ name: 'reduce on plateau', points: drawn.map((p) => [p.epoch, p.learningRate]) }],
    },
  ],
]);
