/**
 * Fixup (Zhang, Dauphin, Ma 2019): a residual net of 110 layers without normalization trains from initial
 * weights that make every branch begin at zero. From He's weights, the same net does not train.
 */
import { compile, grad, losses, models, NonFiniteError, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { colourImages, pixelsOf } from './lib/images.mjs';

const DEPTH = 110;
const COUNT = 64;
const BATCH = 16;
const STEPS = 120;
const SIZE = 16;

const { name, set } = await colourImages(COUNT);
const [channels, height, width] = set.inputShape;
const pixels = await pixelsOf(set);

/**
 * Every second pixel (from the middle of larger images), standardized: [COUNT, C, 16, 16] or
 * what glyphs have.
 */
const side = Math.min(SIZE, height / 2);
const subsampled = Float32Array.from({ length: COUNT * channels * side * side }, (_, i) => {
  const [x, y, plane] = [i % side, Math.floor(i / side) % side, Math.floor(i / (side * side))];
  return pixels[plane * height * width + 2 * y * width + 2 * x];
});
const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const center = average(subsampled);
const deviation = Math.sqrt(average(subsampled.map((value) => (value - center) ** 2)));
const images = subsampled.map((value) => (value - center) / deviation);
const labels = set.labels;
const batches = Array.from({ length: COUNT / BATCH }, (_, b) => ({
  x: tensor(images.slice(b * BATCH * channels * side * side, (b + 1) * BATCH * channels * side * side), [
    BATCH,
    channels,
    side,
    side,
  ]),
  y: tensor(labels.slice(b * BATCH, (b + 1) * BATCH)),
}));

/** The loss of every step; a run ends where its numbers stop being finite. */
async function train(model) {
  const optimizer = optim.sgd({ lr: 0.05, momentum: 0.9, groups: [{ match: /bias|scale/, lr: 0.005 }] });
  const criterion = losses.crossEntropy();
  const step = compile((x, y) => {
    const loss = criterion(model.forward(x), y);
    optimizer.update(grad(loss));
    return loss;
  });
  const curve = [];
  try {
    for (let i = 0; i < STEPS; i++) {
      const { x, y } = batches[i % batches.length];
      curve.push([i, await (await step(x, y)).item()]);
    }
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
  }
  step.dispose();
  return curve;
}

const network = () => models.fixupResnet({ depth: DEPTH, inChannels: channels, seed: 1 });
const layers = [...network().namedParameters().values()].filter((p) => p.rank > 1).length;
const runs = [
  { name: 'Fixup', points: await train(network()) },
  { name: "He's weights", points: await train(network().initialize({ seed: 1, weights: 'heNormal' })) },
];
console.log(`${layers} layers with weights, no normalization; ${COUNT} images of ${name}, ln 10 = 2.3026`);
const mean = (points) => average(points.map(([, loss]) => loss));
table(
  ['initial weights', 'first loss', 'mean of the last four', 'outcome'],
  runs.map(({ name: which, points }) => [
    which,
    points.length > 0 ? points[0][1].toPrecision(5) : 'not finite',
    points.length === STEPS ? mean(points.slice(-4)).toPrecision(4) : '',
    points.length === STEPS ? `${STEPS} steps` : `not finite after ${points.length} steps`,
  ]),
);
if (!(mean(runs[0].points.slice(-4)) < 0.8 * Math.log(10))) throw new Error('the Fixup net does not train');
const epochs = runs[0].points
  .map(([i], at, all) => [i, mean(all.slice(Math.max(0, at - batches.length + 1), at + 1))])
  .slice(batches.length - 1);
draw('fixup', `A residual net of ${DEPTH} layers without normalization`, [
  [
    {
      title: `${COUNT} images of ${name}, SGD with momentum`,
      x: { label: 'step', min: 0, max: STEPS },
      y: { label: 'training loss', log: true },
      series: runs.map((run) => ({ ...run, kind: run.points.length > 1 ? 'line' : 'scatter', size: 9 })),
    },
    {
      title: 'Fixup alone',
      x: { label: 'step', min: 0, max: STEPS },
      y: { label: 'training loss' },
      series: [runs[0], { name: 'Fixup, mean over all images', points: epochs, width: 3 }],
    },
  ],
]);
