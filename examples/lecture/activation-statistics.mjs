/**
 * Activation statistics (slides "Weight initialization"): six layers of 4096 and a batch of 16 normal inputs,
 * from five initial weights. From weights that are too small, activations and gradients tend to zero. From
 * weights that are too large, tanh saturates. Xavier's are right for tanh and too small for relu; He's are
 * right for relu.
 */
import { compile, grad, nn, ops, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { normal } from './lib/numbers.mjs';

const SIZE = 4096;
const DEPTH = 6;
const BATCH = 16;
const BINS = 40;

const nets = [
  { name: 'tanh, std 0.01', activation: nn.tanh, weightInit: nn.init.normal(0, 0.01) },
  { name: 'tanh, std 0.05', activation: nn.tanh, weightInit: nn.init.normal(0, 0.05) },
  { name: 'tanh, Xavier', activation: nn.tanh, weightInit: nn.init.normal(0, 1 / Math.sqrt(SIZE)) },
  { name: 'relu, Xavier', activation: nn.relu, weightInit: nn.init.normal(0, 1 / Math.sqrt(SIZE)) },
  { name: 'relu, He', activation: nn.relu, weightInit: nn.init.normal(0, Math.sqrt(2 / SIZE)) },
];

const draws = normal(1);
const inputs = tensor(
  Float32Array.from({ length: BATCH * SIZE }, () => draws()),
  [BATCH, SIZE],
);

async function statisticsOf({ activation, weightInit }) {
  const layers = Array.from({ length: DEPTH }, () => [
    nn.linear(SIZE, SIZE, { bias: false, weightInit }),
    activation(),
  ]);
  const model = nn.sequential(...layers.flat()).initialize({ seed: 1 });
  const range = activation === nn.tanh ? [-1, 1] : [0, 2];
  const { layers: all } = await nn.activationStatistics(model, inputs, { bins: BINS, range });
  const weights = await weightGradients(model);
  model.dispose();
  return all.filter((_, i) => i % 2 === 1).map((layer, i) => ({ ...layer, weightGradient: weights[i] }));
}

/**
 * The root mean square of dL/dW, layer by layer, for the loss that activationStatistics uses: randomly
 * weighted outputs, divided by the batch.
 */
async function weightGradients(model) {
  const noise = tensor(
    Float32Array.from({ length: BATCH * SIZE }, () => draws() / BATCH),
    [BATCH, SIZE],
  );
  const squares = compile((x) =>
    grad(ops.sum(ops.mul(model.forward(x), noise)), model.parameters()).map((g) => ops.sumSquares([g])),
  );
  const sums = await Promise.all((await squares(inputs)).map((s) => s.item()));
  squares.dispose();
  return sums.map((sum) => Math.sqrt(sum / (SIZE * SIZE)));
}

/** Shares of the values, one point per bar. */
function bars({ low, high, counts }) {
  const total = BATCH * SIZE;
  return counts.map((count, i) => [low + ((i + 0.5) * (high - low)) / counts.length, count / total]);
}

const rows = [];
const byLayer = [];
const panels = [];
for (const net of nets) {
  const layers = await statisticsOf(net);
  byLayer.push({ name: net.name, layers });
  layers.forEach(({ activation, gradient, weightGradient, saturated, dead }, i) =>
    rows.push([
      net.name,
      i + 1,
      activation.mean.toFixed(4),
      activation.std.toExponential(2),
      gradient.std.toExponential(2),
      weightGradient.toExponential(2),
      saturated === undefined ? `${(100 * dead).toFixed(1)}% dead` : `${(100 * saturated).toFixed(1)}%`,
    ]),
  );
  panels.push(
    layers.map(({ activation }, i) => ({
      title: `${net.name}, layer ${i + 1}: std ${activation.std.toPrecision(2)}`,
      y: { min: 0, max: net.activation === nn.relu ? 0.1 : undefined }, // the bar of relu's zeros goes further
      x: { label: 'activation' },
      series: [{ kind: 'bar', points: bars(activation.histogram) }],
    })),
  );
}
table(['net', 'layer', 'mean', 'std', 'std of gradient', 'rms of dL/dW', 'saturated'], rows);
const panel = (title, of) => ({
  title,
  x: { label: 'layer' },
  y: { log: true },
  series: byLayer.map(({ name, layers }) => ({ name, points: layers.map((layer, i) => [i + 1, of(layer)]) })),
});
panels.push([
  panel('deviation of activations', (layer) => layer.activation.std),
  panel('deviation of gradients by activations', (layer) => layer.gradient.std),
  panel('root mean square of dL/dW', (layer) => layer.weightGradient),
]);
draw('activation-statistics', 'Activations of six layers of 4096, by initial weights', panels);
