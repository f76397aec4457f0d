/**
 * All-positive inputs (slides "Data preprocessing"): the gradients of one neuron's weights are its inputs
 * times one number. If the inputs are positive, all gradients have the same sign, and only a zig-zag leads to
 * an optimum in another quadrant. A sigmoid neuron learns the answers of another, one example per step, from
 * inputs in [0, 1) and from the same inputs centred.
 */
import { compile, grad, nn, ops, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { mean, uniform } from './lib/numbers.mjs';

const STEPS = 400;

const answer = (goal, x) => 1 / (1 + Math.exp(-goal.reduce((sum, w, j) => sum + w * x[j], 0)));

/** The path of the weights, and in how many steps all gradients had one sign. */
async function train(inputs, goal) {
  const size = goal.length;
  const neuron = nn.linear(size, 1, { bias: false });
  neuron.initialize({ seed: 1 });
  const optimizer = optim.sgd({ lr: 2 });
  const step = compile((x, y) => {
    const error = ops.sub(ops.sigmoid(neuron.forward(x)), y);
    const loss = ops.sum(ops.mul(error, error));
    const gradients = grad(loss);
    optimizer.update(gradients);
    return gradients.get(neuron.weight);
  });
  const path = [Array.from(await neuron.weight.data())];
  let same = 0;
  for (const x of inputs) {
    const g = await step(tensor(x, [1, size]), tensor([answer(goal, x)], [1, 1]));
    const signs = new Set(Array.from(await g.data(), Math.sign));
    if (signs.size === 1) same++;
    path.push(Array.from(await neuron.weight.data()));
  }
  return { path, share: same / inputs.length };
}

function inputsOf(size, seed) {
  const random = uniform(seed);
  const raw = Array.from({ length: STEPS }, () => Array.from({ length: size }, random));
  const center = Array.from({ length: size }, (_, j) => mean(raw.map((x) => x[j])));
  return { raw, centred: raw.map((x) => x.map((value, j) => value - center[j])) };
}

const goals = { 2: [3, -3], 10: [3, -3, 2, -2, 1, -1, 2, -1, 1, -2] };
const rows = [];
const paths = [];
for (const goal of Object.values(goals)) {
  for (const [name, inputs] of Object.entries(inputsOf(goal.length, 3))) {
    const { path, share } = await train(inputs, goal);
    rows.push([goal.length, name, `${(100 * share).toFixed(1)}%`]);
    if (goal.length === 2) paths.push({ name, points: path });
  }
}
table(['weights', 'inputs', 'steps with gradients of one sign'], rows);
const weight = (j) => ({ label: `weight ${j}` });
const end = { name: 'optimum', kind: 'scatter', points: [goals[2]] };
draw('one-sign-gradients', 'Gradients of a neuron with positive inputs', [
  paths.map((path) => ({
    title: `${path.name} inputs: the way of two weights`,
    x: weight(1),
    y: weight(2),
    series: [path, end],
  })),
]);
