/**
 * What the slides say about updates, checked on the real optimizers. The two formulations of momentum produce
 * the same sequence of x. Nesterov in terms of x is the look-ahead form. Adam's first step is long without
 * bias correction. AdaGrad's steps decay to zero.
 */
import { optim } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { quadratic, walk } from './lib/plane.mjs';

const STEPS = 100;
const [a, minimum, start] = [
  [1, 20],
  [2, 1],
  [0, 2],
];
const bowl = { ...quadratic(a, minimum), start, steps: STEPS };
const distance = ([x, y], [p, q]) => Math.hypot(x - p, y - q);
/** Zeros cannot be shown on a logarithmic axis. */
const shown = (values, floor) => values.map((value, t) => [t, Math.max(value, floor)]);

/** Distances between two paths, step by step. */
const between = (one, other) => one.map((point, t) => distance(point, other[t]));

/** The two formulations, at a rate that may change. */
async function momenta(rateOf) {
  const paths = ['gradients', 'steps'].map((velocity) => {
    const optimizer = optim.sgd({ lr: rateOf(0), momentum: 0.9, velocity });
    return walk({ ...bowl, optimizer, before: (t) => void (optimizer.lr = rateOf(t)) });
  });
  return between(...(await Promise.all(paths)));
}
const constant = await momenta(() => 0.02);
const dropped = await momenta((t) => (t < 10 ? 0.02 : 0.002));

/** The look-ahead form in double: v = rho v - lr f'(x + rho v), x += v. Optimizers keep x + rho v. */
function lookAhead(lr, rho) {
  const x = [...start];
  const v = [0, 0];
  return Array.from({ length: STEPS + 1 }, (_, t) => {
    if (t > 0)
      x.forEach((_, i) => {
        v[i] = rho * v[i] - lr * a[i] * (x[i] + rho * v[i] - minimum[i]);
        x[i] += v[i];
      });
    return x.map((each, i) => each + rho * v[i]);
  });
}
const nesterov = between(
  await walk({ ...bowl, optimizer: optim.sgd({ lr: 0.02, momentum: 0.9, nesterov: true }) }),
  lookAhead(0.02, 0.9),
);

/** Lengths of the steps of an optimizer, in the first of two weights, as multiples of the rate. */
async function strides(optimizer, steps, problem = bowl) {
  const { lr } = optimizer;
  const path = await walk({ ...problem, optimizer, steps });
  return path.slice(1).map(([x], t) => Math.abs(x - path[t][0]) / lr);
}
const adam = { lr: 1e-3, eps: 1e-7 };
const corrected = await strides(optim.adam(adam), 1000);
const uncorrected = await strides(optim.adam({ ...adam, biasCorrection: false }), 1000);

// The slope stays the same, so only the optimizer makes steps shorter.
const slope = {
  ...bowl,
  loss: quadratic([0, 0], minimum).loss,
  noise: Array.from({ length: 2000 }, () => [1, 1]),
};
const adagrad = await strides(optim.adagrad({ lr: 0.01, eps: 1e-7 }), 2000, slope);
const rmsprop = await strides(optim.rmsprop({ lr: 0.01, alpha: 0.9, eps: 1e-7 }), 2000, slope);

const most = (values) => Math.max(...values).toExponential(1);
table(
  ['check', 'number'],
  [
    ['two formulations of momentum, constant rate: largest distance', most(constant)],
    ['the same, rate divided by ten after 10 steps', most(dropped)],
    ['Nesterov and the look-ahead form in double: largest distance', most(nesterov)],
    ["Adam's first step / rate", corrected[0].toFixed(4)],
    ['the same without bias correction: 0.1 / sqrt(0.001) = 3.1623', uncorrected[0].toFixed(4)],
    [
      'the longest step without correction',
      `${Math.max(...uncorrected).toFixed(2)} at step ${uncorrected.indexOf(Math.max(...uncorrected)) + 1}`,
    ],
    [
      "AdaGrad's step / rate at t = 1, 100, 2000 on a constant slope",
      [1, 100, 2000].map((t) => adagrad[t - 1].toFixed(4)).join(', '),
    ],
    ['RMSProp likewise', [1, 100, 2000].map((t) => rmsprop[t - 1].toFixed(4)).join(', ')],
  ],
);

const from1 = (values) => values.map((value, t) => [t + 1, value]);
draw('update-equivalences', 'Updates: what is equal, and what becomes of steps', [
  [
    {
      title: 'two forms of momentum: distance of their weights',
      x: { label: 'step' },
      y: { label: 'distance', log: true, min: 1e-9, max: 10 },
      series: [
        { name: 'constant rate', points: shown(constant, 1e-9) },
        { name: 'rate / 10 after step 10', points: shown(dropped, 1e-9) },
      ],
    },
    {
      title: 'Nesterov and its look-ahead form: distance',
      x: { label: 'step' },
      y: { label: 'distance', log: true, min: 1e-9, max: 10 },
      series: [{ name: 'Nesterov, constant rate', points: shown(nesterov, 1e-9) }],
    },
  ],
  [
    {
      title: "length of Adam's steps",
      x: { label: 'step', log: true },
      y: { label: 'step of a weight / rate', min: 0 },
      series: [
        { name: 'Adam', points: from1(corrected) },
        { name: 'Adam without bias correction', points: from1(uncorrected) },
      ],
    },
    {
      title: 'length of steps on a constant slope',
      x: { label: 'step', log: true },
      y: { label: 'step of a weight / rate', log: true, min: 0.01, max: 10 },
      series: [
        { name: 'AdaGrad', points: from1(adagrad) },
        { name: 'RMSProp', points: from1(rmsprop) },
      ],
    },
  ],
]);
