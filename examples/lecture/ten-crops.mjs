/**
 * Ten crops and several scales at test time (slides "Random crops and scales"), in small: a net for 24x24
 * pixels trains on random windows of images at random scales; testing averages a fixed set of windows.
 */
import { augment, losses, nn, optim, schedules, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { colourImages } from './lib/images.mjs';

const [COUNT, TESTED, EPOCHS, SIDE] = [2000, 1500, 30, 24];
const SCALES = [24, 28, 32, 40, 48];
const CROPS = [1, 5, 10];

const { name, set } = await colourImages(COUNT + TESTED);
const [train, test] = set.split([COUNT, TESTED], { seed: 1 });
const [channels] = train.inputShape;
const classes = train.classNames.length;

const conv = (from, to) => [
  nn.conv2d(from, to, { kernel: 3, padding: 1, bias: false }),
  nn.batchNorm2d(to),
  nn.relu(),
  nn.maxPool2d(2),
];
const body = [...conv(channels, 16), ...conv(16, 32), ...conv(32, 64)];
const model = nn.sequential(...body, nn.flatten(), nn.linear(64 * (SIDE / 8) ** 2, classes));
const trainer = new Trainer(model, {
  loss: losses.crossEntropy(),
  optimizer: optim.sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }),
  schedule: schedules.cosine(),
  augment: [augment.randomScaleCrop(SIDE, { shortSide: [SCALES[0], SCALES.at(-1)] }), augment.flip()],
  seed: 1,
});
await trainer.fit(train, { epochs: EPOCHS, batchSize: 50 });

const labels = test.labels;
/** Accuracy and negative log-likelihood of the mean of several probabilities. */
function score(list) {
  let [right, loss] = [0, 0];
  labels.forEach((label, i) => {
    const means = Array.from(
      { length: classes },
      (_, k) => list.reduce((sum, p) => sum + p[i * classes + k], 0) / list.length,
    );
    if (means.indexOf(Math.max(...means)) === label) right++;
    loss -= Math.log(means[label]);
  });
  return { accuracy: (100 * right) / labels.length, loss: loss / labels.length };
}

/** By number of crops, the probabilities at each scale. */
const found = {};
for (const crops of CROPS) {
  found[crops] = [];
  for (const scale of SCALES) found[crops].push(await model.predict(test, { crops, scales: [scale] }));
}
const together = await trainer.evaluate(test, { crops: CROPS.at(-1), scales: SCALES });
const byHand = score(found[CROPS.at(-1)]);
if (Math.abs(together.loss - byHand.loss) > 1e-4)
  throw new Error(`all views at once have a loss of ${together.loss}, and scale by scale ${byHand.loss}`);

const single = CROPS.map((crops) => found[crops].map((p) => score([p])));
/** The scales in the middle first, then further ones on both sides. */
const ORDER = [2, 1, 3, 0, 4];
const several = CROPS.map((crops) =>
  ORDER.map((_, n) => score(ORDER.slice(0, n + 1).map((i) => found[crops][i]))),
);
const percent = ({ accuracy }) => `${accuracy.toFixed(1)}%`;
console.log(`${COUNT} images of ${name}, accuracy on ${TESTED} others`);
table(
  ['crops', ...SCALES.map((scale) => `at ${scale}`), ...ORDER.slice(1).map((_, n) => `${n + 2} scales`)],
  CROPS.map((crops, i) => [crops, ...single[i].map(percent), ...several[i].slice(1).map(percent)]),
);
console.log(
  `loss: ${single[0][2].loss.toFixed(3)} with one crop at ${SCALES[2]}, ${single[2][2].loss.toFixed(3)} with ten, ${together.loss.toFixed(3)} with ten at ${SCALES.length} scales`,
);

const panel = (title, x, y, values) => ({
  title,
  x,
  y,
  series: CROPS.map((crops, i) => ({
    name: crops === 1 ? 'the centre' : `${crops} crops`,
    points: values[i],
  })),
});
const accuracy = { label: 'accuracy, %' };
const at = { label: 'short side, pixels' };
const number = { label: 'scales averaged' };
draw('ten-crops', `Crops and scales at test time: ${COUNT} images of ${name}, ${SIDE} pixels`, [
  [
    panel(
      'one scale',
      at,
      accuracy,
      single.map((row) => row.map((each, i) => [SCALES[i], each.accuracy])),
    ),
    panel(
      'several scales',
      number,
      accuracy,
      several.map((row) => row.map((each, n) => [n + 1, each.accuracy])),
    ),
    panel(
      'several scales: loss',
      number,
      { label: 'loss' },
      several.map((row) => row.map((each, n) => [n + 1, each.loss])),
    ),
  ],
]);
