/**
 * Initializers beside each other (slides "Weight initialization is an active area of research"): the
 * variance of the outputs of each of 50 layers before their relu, and of the gradients that come back to
 * them, for one batch.
 */
import { nn, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { normal } from './lib/numbers.mjs';

const DEPTH = 50;
const WIDTH = 256;
const BATCH = 128;
const CLASSES = 10;

const draws = normal(1);
const batch = tensor(
  Float32Array.from({ length: BATCH * WIDTH }, () => draws()),
  [BATCH, WIDTH],
);

function network(weights) {
  const layers = Array.from({ length: DEPTH }, () => [nn.linear(WIDTH, WIDTH), nn.relu()]);
  const model = nn.sequential(...layers.flat(), nn.linear(WIDTH, CLASSES));
  return model.initialize({ seed: 1, weights, biases: 'zeros' });
}

const initializers = {
  'normal, std 0.01': () => network(nn.init.normal(0, 0.01)),
  'Xavier (fan-in)': () => network(nn.init.xavierNormal({ mode: 'fanIn' })),
  He: () => network('heNormal'),
  orthogonal: () => network(nn.init.orthogonal(Math.SQRT2)),
  'random walk': () => network('randomWalk'),
  LSUV: async () => {
    const model = network('heNormal');
    const report = await nn.init.lsuv(model, batch, { seed: 1 });
    const furthest = report.reduce((most, { variance }) => Math.max(most, Math.abs(variance - 1)), 0);
    console.log(`LSUV: variances at most ${furthest.toFixed(4)} from 1 over ${report.length} layers`);
    if (!(furthest < 0.1)) throw new Error('LSUV leaves a layer without unit variance');
    return model;
  },
  'data-dependent (within layers)': async () => {
    const model = network('heNormal');
    await nn.init.dataDependent(model, batch, { betweenLayers: false });
    return model;
  },
};

const rows = [];
const forward = [];
const backward = [];
for (const [name, make] of Object.entries(initializers)) {
  const model = await make();
  const { layers } = await nn.activationStatistics(model, batch, { bins: 1 });
  model.dispose();
  const linear = layers.filter(({ type }) => type === 'Linear').slice(0, DEPTH);
  const curve = (of) => linear.map((layer, i) => [i + 1, of(layer).std ** 2]);
  const shown = (points) => points.filter(([, value]) => value > 1e-30);
  forward.push({ name, points: shown(curve((l) => l.activation)) });
  backward.push({ name, points: shown(curve((l) => l.gradient)) });
  const [a, g] = [curve((l) => l.activation), curve((l) => l.gradient)];
  rows.push([
    name,
    ...[0, 9, DEPTH - 1].map((i) => a[i][1].toExponential(2)),
    (g[0][1] / g[DEPTH - 1][1]).toExponential(2),
  ]);
}
table(
  ['initial weights', 'variance, layer 1', 'layer 10', `layer ${DEPTH}`, 'gradients, first / last'],
  rows,
);
draw('variance-by-depth', `Variance by depth: ${DEPTH} relu layers of ${WIDTH}`, [
  [
    {
      title: 'outputs of linear layers',
      x: { label: 'layer' },
      y: { label: 'variance', log: true },
      series: forward,
    },
    {
      title: 'the same, near 1',
      x: { label: 'layer' },
      y: { label: 'variance', min: 0, max: 6 },
      series: forward.map((run) => ({ ...run, points: run.points.filter(([, v]) => v <= 6) })),
    },
    {
      title: 'gradients by them',
      x: { label: 'layer' },
      y: { label: 'variance', log: true },
      series: backward,
    },
  ],
]);
