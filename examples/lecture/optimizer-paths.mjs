/**
 * Where every optimizer goes (slides "Optimization": problems with SGD, momentum, AdaGrad, RMSProp, Adam):
 * down a ravine of condition number 100, off a saddle, and with noisy gradients. Each uses the rate, out of
 * four per decade, whose loss is least on average over the path.
 */
import { ops, optim, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { mean, normal } from './lib/numbers.mjs';
import { contours, quadratic, walk } from './lib/plane.mjs';

const textbook = { eps: 1e-7 };
/** For each panel, rows of [name, optimizer made for a rate, colour, dashed]. */
const families = {
  'one rate for all weights': [
    ['SGD', (lr) => optim.sgd({ lr }), '#000000'],
    ['momentum', (lr) => optim.sgd({ lr, momentum: 0.9 }), '#e69f00'],
    ['momentum of steps', (lr) => optim.sgd({ lr, momentum: 0.9, velocity: 'steps' }), '#0072b2', true],
    ['Nesterov', (lr) => optim.sgd({ lr, momentum: 0.9, nesterov: true }), '#009e73'],
    ['LARS', (lr) => optim.lars({ lr, momentum: 0.9, trust: 1 }), '#cc79a7'],
  ],
  'a rate for each weight': [
    ['AdaGrad', (lr) => optim.adagrad({ lr, ...textbook }), '#d55e00'],
    ['RMSProp', (lr) => optim.rmsprop({ lr, alpha: 0.9, ...textbook }), '#56b4e9'],
    [
      'RMSProp, centred',
      (lr) => optim.rmsprop({ lr, alpha: 0.9, centred: true, ...textbook }),
      '#7a4fbf',
      true,
    ],
    ['Adam, no correction', (lr) => optim.adam({ lr, biasCorrection: false, ...textbook }), '#8a6d00'],
  ],
  'Adam and its kin': [
    ['Adam', (lr) => optim.adam({ lr, ...textbook }), '#d4006a'],
    ['AdamW', (lr) => optim.adamw({ lr }), '#66a61e', true],
    ['AMSGrad', (lr) => optim.adam({ lr, amsgrad: true }), '#00a6a6', true],
    ['NAdam', (lr) => optim.nadam({ lr }), '#1f3b8f'],
    ['LAMB', (lr) => optim.lamb({ lr }), '#999999'],
  ],
};
const RATES = Array.from({ length: 17 }, (_, i) => 10 ** (-3 + i / 4));

const STEPS = 150;
const drawn = normal(3);
const bowl = [2, 1];
const problems = [
  {
    name: 'optimizer-ravine',
    title: 'A ravine of condition number 100',
    ...quadratic([1, 100], bowl),
    start: [0, 1.4],
    steps: STEPS,
    lines: { a: 1, p: 2, rest: (y) => 50 * (y - 1) ** 2, levels: [0.1, 0.5, 2, 5, 10] },
    x: { min: -0.5, max: 3 },
    y: { min: 0.5, max: 1.5 },
    ends: [bowl],
    loss_: { log: true, min: 1e-8, max: 10 },
  },
  {
    name: 'optimizer-saddle',
    title: 'A saddle: steep towards it, flat away from it',
    value: ([x, y]) => 10 * (x - 2) ** 2 + (y - 1) ** 4 / 4 - (y - 1) ** 2 / 2 + 0.25,
    loss: (at) => {
      const d = ops.square(ops.sub(at, tensor([2, 1])));
      return ops.sum(ops.add(ops.mul(d, tensor([10, -0.5])), ops.mul(ops.square(d), tensor([0, 0.25]))));
    },
    start: [1.4, 1.0001],
    steps: STEPS,
    lines: {
      a: 20,
      p: 2,
      rest: (y) => (y - 1) ** 4 / 4 - (y - 1) ** 2 / 2 + 0.25,
      levels: [0.02, 0.1, 0.25, 0.6, 1.5, 3],
    },
    x: { min: 1.2, max: 2.8 },
    y: { min: -0.5, max: 2.5 },
    ends: [
      [2, 2],
      [2, 0],
    ],
    loss_: { log: true, min: 1e-8, max: 10 },
  },
  {
    name: 'optimizer-noise',
    title: 'Noisy gradients: a bowl of condition number 10, noise of deviation 2',
    ...quadratic([1, 10], bowl),
    start: [0, 2],
    steps: STEPS,
    noise: Array.from({ length: STEPS }, () => [2 * drawn(), 2 * drawn()]),
    lines: { a: 1, p: 2, rest: (y) => 5 * (y - 1) ** 2, levels: [0.1, 0.5, 1.5, 3, 6] },
    x: { min: -0.5, max: 3.5 },
    y: { min: 0, max: 2.2 },
    ends: [bowl],
    loss_: { log: true, min: 1e-4, max: 20 },
  },
];

/** The path with the best of the rates. */
async function best(problem, make) {
  let found = { score: Infinity };
  for (const lr of RATES) {
    const path = await walk({ ...problem, optimizer: make(lr) });
    const losses = path.map(problem.value);
    const score = path.length > problem.steps ? mean(losses) : Infinity;
    if (score < found.score) found = { score, lr, path, losses };
  }
  return found;
}

for (const problem of problems) {
  const rows = [];
  const panels = [[], []];
  for (const [family, members] of Object.entries(families)) {
    const paths = [];
    const curves = [];
    for (const [name, make, color, dashed = false] of members) {
      const { lr, path, losses } = await best(problem, make);
      const way = path
        .slice(1)
        .reduce((sum, [x, y], i) => sum + Math.hypot(x - path[i][0], y - path[i][1]), 0);
      const arrived = losses.findIndex((loss) => loss < 0.01 * losses[0]);
      rows.push([
        name,
        lr.toPrecision(3),
        arrived < 0 ? 'never' : arrived,
        losses.at(-1).toExponential(1),
        way.toFixed(2),
      ]);
      paths.push({ name, color, dashed, points: path });
      curves.push({ name, color, dashed, points: losses.map((loss, t) => [t, loss]) });
    }
    const { x, y, lines, start, ends } = problem;
    panels[0].push({
      title: family,
      x: { label: 'weight 1', ...x },
      y: { label: 'weight 2', ...y },
      series: [
        ...contours({ ...lines, low: y.min, high: y.max }),
        ...paths,
        { name: 'start', kind: 'scatter', color: '#000', symbol: 'diamond', size: 9, points: [start] },
        { name: 'minimum', kind: 'scatter', color: '#d00', symbol: 'circle', size: 7, points: ends },
      ],
    });
    panels[1].push({
      title: 'loss',
      x: { label: 'step' },
      y: { label: 'loss', ...problem.loss_ },
      series: curves,
    });
  }
  console.log(`\n${problem.title}`);
  table(
    [
      'optimizer',
      'rate',
      'steps to 1% of the loss',
      `loss after ${problem.steps} steps`,
      'length of the way',
    ],
    rows,
  );
  draw(problem.name, problem.title, panels);
}
