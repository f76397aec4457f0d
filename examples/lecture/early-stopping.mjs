/**
 * Early stopping (slides "Early stopping"): a net that overfits few images. The validation loss goes up again
 * and fluctuates, and smoothing decides when it has levelled off.
 */
import { earlyStopping, losses, nn, optim, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';

const [EPOCHS, COUNT, HELD] = [100, 300, 1000];
const PATIENCE = 8;
const SMOOTHING = 0.7;

const { name, train, test } = await digits(COUNT + HELD, 2000);
const [few, held] = train.split([COUNT, HELD], { seed: 1 });

/** A run with these callbacks: its trainer and history. */
async function run(callbacks) {
  const size = few.inputShape.reduce((a, b) => a * b);
  const model = nn.sequential(nn.flatten(), nn.linear(size, 256), nn.relu(), nn.linear(256, 10));
  const optimizer = optim.sgd({ lr: 0.05 });
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer, seed: 1 });
  const history = await trainer.fit(few, { epochs: EPOCHS, batchSize: 10, validation: held, callbacks });
  return { trainer, history };
}

const whole = await run([]);
const stopped = {
  raw: await run([earlyStopping({ patience: PATIENCE })]),
  smoothed: await run([earlyStopping({ patience: PATIENCE, smoothing: SMOOTHING })]),
};
const row = async (label, { trainer, history }) => {
  const { loss, accuracy } = await trainer.evaluate(test);
  const best = history.best?.epoch ?? '-';
  return [label, history.epochs.length, best, loss.toFixed(3), `${(100 * accuracy).toFixed(1)}%`];
};
console.log(`${COUNT} images of ${name}`);
table(
  ['run', 'epochs', 'best', 'test loss', 'test accuracy'],
  [
    await row('to the end', whole),
    await row('stopped', stopped.raw),
    await row('stopped, smoothed', stopped.smoothed),
  ],
);

const { epochs } = whole.history;
const points = (key) => epochs.map((epoch, i) => [i + 1, epoch[key]]);
let average;
const smooth = points('validationLoss').map(([x, y]) => {
  average = average === undefined ? y : SMOOTHING * average + (1 - SMOOTHING) * y;
  return [x, average];
});
const least = Math.min(...epochs.map(({ validationLoss }) => validationLoss));
const last = epochs.at(-1);
console.log(
  `validation loss: least ${least.toFixed(3)}, at the end ${last.validationLoss.toFixed(3)}; training ${last.trainLoss.toExponential(1)}`,
);
/** A vertical line where a run stopped. */
const mark = (title, { history }) => ({
  name: title,
  points: [
    [history.epochs.length, 0],
    [history.epochs.length, least * 2],
  ],
  dashed: true,
});
draw('early-stopping', `Early stopping: ${COUNT} images of ${name}`, [
  [
    {
      title: `loss; patience ${PATIENCE}, smoothing ${SMOOTHING}`,
      x: { label: 'epoch' },
      y: { label: 'loss', min: 0, max: least * 2 },
      series: [
        { name: 'training', points: points('trainLoss') },
        { name: 'validation', points: points('validationLoss') },
        { name: 'validation, smoothed', points: smooth },
        mark('stopped', stopped.raw),
        mark('stopped, smoothed', stopped.smoothed),
      ],
    },
    {
      title: 'accuracy',
      x: { label: 'epoch' },
      y: { label: 'accuracy' },
      series: [
        { name: 'training', points: points('trainAccuracy') },
        { name: 'validation', points: points('validationAccuracy') },
      ],
    },
  ],
]);
