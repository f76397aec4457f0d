/**
 * Weight decay (slides "Weight regularization"): L2 in the loss is (coupled) decay in the update, and
 * decoupled decay is another rule as soon as the gradient is not taken as it is.
 */
import { compile, grad, losses, nn, ops, optim, regularizers, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { clusters } from './lib/numbers.mjs';

const [SIZE, CLASSES, COUNT, STEPS, LAMBDA] = [32, 10, 512, 200, 0.01];
const points = clusters({ count: COUNT, size: SIZE, classes: CLASSES, noise: 2 });
const inputs = tensor(points.x, [COUNT, SIZE]);
const labels = tensor(points.y);
const criterion = losses.crossEntropy();

/** Weights after each step, and the loss without its penalty. */
async function run(optimizer, penalty) {
  const model = nn.sequential(nn.linear(SIZE, 64), nn.tanh(), nn.linear(64, CLASSES)).initialize({ seed: 1 });
  const weights = [...model.namedParameters()].map(([, parameter]) => parameter);
  const step = compile(() => {
    const loss = criterion(model.forward(inputs), labels);
    optimizer.update(grad(penalty ? ops.add(loss, penalty(model)) : loss));
    return loss;
  });
  const path = [];
  for (let t = 0; t < STEPS; t++) {
    await step();
    path.push((await Promise.all(weights.map((each) => each.data()))).flatMap((values) => [...values]));
  }
  return path;
}

const furthest = (one, other) =>
  one.map((values, t) => values.reduce((most, v, i) => Math.max(most, Math.abs(v - other[t][i])), 0));
const norms = (path) => path.map((values) => Math.hypot(...values));
const RULES = {
  'SGD with momentum': (options) => optim.sgd({ lr: 0.1, momentum: 0.9, ...options }),
  Adam: ({ decoupled, ...options }) => (decoupled ? optim.adamw : optim.adam)({ lr: 0.01, ...options }),
};
const panels = [];
const rows = [];
for (const [name, rule] of Object.entries(RULES)) {
  const plain = await run(rule({}));
  const inLoss = await run(rule({}), regularizers.l2(LAMBDA));
  const coupled = await run(rule({ weightDecay: LAMBDA }));
  const decoupled = await run(rule({ weightDecay: LAMBDA, decoupled: true }));
  const same = furthest(inLoss, coupled);
  if (Math.max(...same) > 1e-5) throw new Error(`${name}: L2 in the loss is not coupled decay`);
  const other = furthest(decoupled, coupled);
  const length = (path) => norms(path).at(-1).toFixed(2);
  rows.push([
    name,
    Math.max(...same).toExponential(1),
    Math.max(...other).toExponential(1),
    ...[plain, coupled, decoupled].map(length),
  ]);
  const shown = (values) => values.map((value, t) => [t + 1, Math.max(value, 1e-9)]);
  panels.push([
    {
      title: `${name}: furthest from coupled decay`,
      x: { label: 'step' },
      y: { label: 'difference', log: true },
      series: [
        { name: 'L2 in the loss', points: shown(same) },
        { name: 'decoupled decay', points: shown(other) },
      ],
    },
    {
      title: `${name}: length of the weights`,
      x: { label: 'step' },
      y: { label: 'length' },
      series: [
        { name: 'L2 in the loss', points: shown(norms(inLoss)) },
        { name: 'decoupled decay', points: shown(norms(decoupled)) },
        { name: 'no decay', points: shown(norms(plain)) },
      ],
    },
  ]);
}
table(
  [
    'optimizer',
    'L2 in the loss and coupled decay differ by',
    'decoupled and coupled by',
    'length without decay',
    'coupled',
    'decoupled',
  ],
  rows,
);
draw('weight-decay', 'L2 in the loss and weight decay', panels);
