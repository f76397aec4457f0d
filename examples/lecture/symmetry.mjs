/**
 * Weight symmetry (slides "Weight initialization"): permuting the hidden units of a net makes an equivalent
 * net. From equal weights, such as W = 0, all hidden units stay equal for ever. Small random numbers break
 * the tie, and start from a loss of ln(classes).
 */
import { compile, grad, losses, nn, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters, normal } from './lib/numbers.mjs';
import { fillParameters } from './lib/weights.mjs';

const SIZE = 64;
const HIDDEN = 32;
const CLASSES = 10;
const COUNT = 1000;
const STEPS = 200;

const points = clusters({ count: COUNT, size: SIZE, classes: CLASSES, noise: 2 });
const inputs = tensor(points.x, [COUNT, SIZE]);
const labels = tensor(points.y);
const criterion = losses.crossEntropy();

/** 64 - 32 tanh - 10; weights by fill(name, count), biases zero. */
async function network(fill) {
  const model = nn.sequential(nn.linear(SIZE, HIDDEN), nn.tanh(), nn.linear(HIDDEN, CLASSES)).initialize();
  await fillParameters(model, (name, n) => (name.endsWith('bias') ? new Float32Array(n) : fill(name, n)));
  return model;
}

const numbersOf = async (model, name) => model.namedParameters().get(name).data();

/** The largest difference between the incoming weights of two hidden units. */
async function spread(model) {
  const w = await numbersOf(model, '0.weight');
  return w.reduce((most, value, i) => Math.max(most, Math.abs(value - w[i % SIZE])), 0);
}

async function train(name, model) {
  const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9 });
  const step = compile(() => {
    const loss = criterion(model.forward(inputs), labels);
    optimizer.update(grad(loss));
    return loss;
  });
  const curve = [];
  for (let i = 0; i < STEPS; i++) curve.push([i, await (await step()).item()]);
  return { name, points: curve, spread: await spread(model) };
}

const zeros = (_, n) => new Float32Array(n);
const equal = (_, n) => new Float32Array(n).fill(0.01);
function random(std) {
  const draws = normal(5);
  return (_, n) => Float32Array.from({ length: n }, () => std * draws());
}

const runs = [
  await train('zeros', await network(zeros)),
  await train('all 0.01', await network(equal)),
  await train('normal, std 0.01', await network(random(0.01))),
];
console.log(`ln(${CLASSES}) = ${Math.log(CLASSES).toFixed(4)}`);
table(
  ['start', 'first loss', `loss after ${STEPS} steps`, 'largest difference of two hidden units'],
  runs.map((run) => [
    run.name,
    run.points[0][1].toFixed(4),
    run.points.at(-1)[1].toFixed(4),
    run.spread.toExponential(1),
  ]),
);

/** The net with its hidden units in reverse order. */
async function reversed(model) {
  const [w, b, out] = await Promise.all(['0.weight', '0.bias', '2.weight'].map((n) => numbersOf(model, n)));
  const other = (unit) => HIDDEN - 1 - unit;
  const moved = {
    '0.weight': (i) => w[other(Math.floor(i / SIZE)) * SIZE + (i % SIZE)],
    '0.bias': (i) => b[other(i)],
    '2.weight': (i) => out[Math.floor(i / HIDDEN) * HIDDEN + other(i % HIDDEN)],
    '2.bias': () => 0,
  };
  const twin = await network(zeros);
  await fillParameters(twin, (name, n) => Float32Array.from({ length: n }, (_, i) => moved[name](i)));
  return twin;
}
const model = await network(random(0.05));
const outputs = async (net) => (await compile(() => net.forward(inputs))()).data();
const [a, b] = [await outputs(model), await outputs(await reversed(model))];
const most = a.reduce((sum, value, i) => Math.max(sum, Math.abs(value - b[i])), 0);
console.log(`hidden units in reverse order change the outputs by at most ${most.toExponential(1)}`);

draw('symmetry', 'Equal hidden units stay equal', [
  [
    {
      title: `${SIZE} - ${HIDDEN} tanh - ${CLASSES}, SGD with momentum`,
      x: { label: 'step' },
      y: { label: 'training loss', min: 0 },
      series: runs,
    },
  ],
]);
