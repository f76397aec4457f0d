/**
 * What batch norm is good for (slides "Batch normalization"): deeper nets train, at higher learning rates,
 * and from poorer initial weights. A net of 8 hidden layers with and without it, at three learning rates and
 * from three deviations of the initial weights.
 */
import { compile, grad, losses, nn, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters, normal } from './lib/numbers.mjs';
import { fillParameters } from './lib/weights.mjs';

const SIZE = 64;
const WIDTH = 64;
const DEPTH = 8;
const CLASSES = 10;
const COUNT = 512;
const STEPS = 150;
const RATES = [0.01, 0.1, 1];
/** He's deviation for 64 inputs is 0.18. */
const DEVIATIONS = [0.02, 0.18, 0.5];

const points = clusters({ count: COUNT, size: SIZE, classes: CLASSES, noise: 2 });
const inputs = tensor(points.x, [COUNT, SIZE]);
const labels = tensor(points.y);
const criterion = losses.crossEntropy();

async function network(normalized, deviation) {
  const layers = Array.from({ length: DEPTH }, (_, i) => [
    nn.linear(i === 0 ? SIZE : WIDTH, WIDTH),
    ...(normalized ? [nn.batchNorm1d(WIDTH)] : []),
    nn.relu(),
  ]);
  const model = nn.sequential(...layers.flat(), nn.linear(WIDTH, CLASSES)).initialize();
  const draws = normal(7);
  const norms = new Set(
    [...model.namedModules()].filter(([, m]) => m.kind.startsWith('batch')).map(([n]) => n),
  );
  await fillParameters(model, (name, n) => {
    const [owner, kind] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
    if (kind === 'bias') return new Float32Array(n);
    if (norms.has(owner)) return new Float32Array(n).fill(1);
    return Float32Array.from({ length: n }, () => deviation * draws());
  });
  return model;
}

/** The loss of every step; a run ends where its numbers stop being finite. */
async function train(model, lr) {
  const optimizer = optim.sgd({ lr });
  const step = compile(() => {
    const loss = criterion(model.forward(inputs), labels);
    optimizer.update(grad(loss));
    return loss;
  });
  const curve = [];
  try {
    for (let i = 0; i < STEPS; i++) curve.push([i, await (await step()).item()]);
  } catch (error) {
    if (error.name !== 'NonFiniteError') throw error;
  }
  return curve;
}

const outcome = (curve) =>
  curve.length < STEPS ? `not finite at step ${curve.length}` : curve.at(-1)[1].toFixed(3);
const shown = (curve) => curve.map(([x, loss]) => [x, Math.min(loss, 4)]);

const rows = [];
const panels = [];
for (const deviation of DEVIATIONS) {
  const row = [];
  for (const lr of RATES) {
    const plain = await train(await network(false, deviation), lr);
    const normalized = await train(await network(true, deviation), lr);
    rows.push([deviation, lr, outcome(plain), outcome(normalized)]);
    row.push({
      title: `initial std ${deviation}, learning rate ${lr}`,
      x: { label: 'step' },
      y: { label: 'loss', min: 0, max: 4 },
      series: [
        { name: 'plain', points: shown(plain) },
        { name: 'batch norm', points: shown(normalized) },
      ],
    });
  }
  panels.push(row);
}
table(['initial std', 'learning rate', 'final loss, plain', 'with batch norm'], rows);
draw('batch-norm', `${DEPTH} hidden layers with and without batch norm`, panels);
