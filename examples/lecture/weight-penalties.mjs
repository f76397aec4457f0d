/**
 * What weight regularization does to weights (slides "Weight regularization"): L2, L1 and a largest norm, on
 * a net that overfits few images.
 */
import { losses, nn, optim, regularizers, Trainer } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { digits } from './lib/images.mjs';
import { mean } from './lib/numbers.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const [COUNT, EPOCHS, HELD, UNITS, LR, MAX_NORM] = [1000, 60, 1000, 128, 0.02, 1];
/** A weight below this is as good as gone. */
const SMALL = 1e-3;

const { name, train, test } = await digits(COUNT, HELD);
const size = train.inputShape.reduce((a, b) => a * b);
const rules = {
  none: {},
  L2: { regularizer: regularizers.l2(0.01, { match: optim.decays }) },
  L1: { regularizer: regularizers.l1(5e-4, { match: optim.decays }) },
  'max-norm': { maxNorm: MAX_NORM },
};

async function run({ regularizer, maxNorm }) {
  const model = nn.sequential(nn.flatten(), nn.linear(size, UNITS), nn.relu(), nn.linear(UNITS, 10));
  const optimizer = optim.sgd({ lr: LR, momentum: 0.9, ...(maxNorm && { maxNorm }) });
  const loss = losses.crossEntropy();
  const trainer = new Trainer(model, { loss, optimizer, seed: 1, ...(regularizer && { regularizer }) });
  const { epochs } = await trainer.fit(train, { epochs: EPOCHS, batchSize: 50, validation: test });
  const [[, first]] = model.namedParameters();
  const weights = await first.data();
  const units = Array.from({ length: UNITS }, (_, i) => weights.subarray(i * size, (i + 1) * size));
  return { epochs, weights, units, norms: units.map((unit) => Math.hypot(...unit)).sort((a, b) => b - a) };
}

const runs = {};
for (const [label, rule] of Object.entries(rules)) runs[label] = await run(rule);
if (Math.max(...runs['max-norm'].norms) > MAX_NORM * (1 + 1e-5))
  throw new Error('a norm is above the largest');

const atLargest = ({ norms }) => norms.filter((norm) => norm > MAX_NORM * (1 - 1e-5)).length;
const gone = ({ weights }) => weights.filter((weight) => Math.abs(weight) < SMALL).length / weights.length;
const length = ({ weights }) => Math.hypot(...weights);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
console.log(`${COUNT} images of ${name}`);
table(
  [
    '',
    'length of the weights',
    `below ${SMALL}`,
    'largest norm',
    `units at ${MAX_NORM}`,
    'mean norm',
    'training loss',
    'validation loss',
    'accuracy',
  ],
  Object.entries(runs).map(([label, each]) => [
    label,
    length(each).toFixed(2),
    percent(gone(each)),
    each.norms[0].toFixed(3),
    atLargest(each),
    mean(each.norms).toFixed(3),
    each.epochs.at(-1).trainLoss.toFixed(4),
    each.epochs.at(-1).validationLoss.toFixed(3),
    percent(each.epochs.at(-1).validationAccuracy),
  ]),
);

const entries = Object.entries(runs);
/** Shares of weights by magnitude, in bins of equal width on a scale of logarithms. */
const magnitudes = ({ weights }) => {
  const [low, high, bins] = [-6, 0, 48];
  const counts = new Float64Array(bins);
  for (const weight of weights) {
    const at = Math.floor(((Math.log10(Math.abs(weight)) - low) / (high - low)) * bins);
    counts[Math.max(0, Math.min(bins - 1, at))]++;
  }
  const middle = (i) => 10 ** (low + ((i + 0.5) * (high - low)) / bins);
  return [...counts].map((count, i) => [middle(i), (100 * count) / weights.length]);
};
const panel = (title, x, y, points) => ({
  title,
  x,
  y,
  series: entries.map(([label, each]) => ({ name: label, points: points(each) })),
});
const byEpoch = (key) => (each) => each.epochs.map((epoch, i) => [i + 1, epoch[key]]);
draw('weight-penalties', `Weights under L2, L1 and a largest norm: ${COUNT} images of ${name}`, [
  [
    panel(
      'magnitudes of the weights',
      { label: 'magnitude', log: true },
      { label: 'weights, %' },
      magnitudes,
    ),
    panel('norms of the hidden units', { label: 'unit, by its norm' }, { label: 'norm', min: 0 }, (each) =>
      each.norms.map((norm, i) => [i + 1, norm]),
    ),
    panel('validation loss', { label: 'epoch' }, { label: 'loss' }, byEpoch('validationLoss')),
  ],
]);

const SHOWN = 8;
const rows = [];
for (const [label, { units }] of entries) {
  const ends = Math.max(
    ...units.slice(0, SHOWN).map((unit) => unit.reduce((m, w) => Math.max(m, Math.abs(w)), 0)),
  );
  const pictures = [];
  for (const unit of units.slice(0, SHOWN)) pictures.push(await png(unit, train.inputShape, -ends, ends));
  rows.push({ label, pictures });
}
drawPictures('penalized-weights', `Weights of the first ${SHOWN} hidden units`, rows);
