/**
 * Log regret of the search strategies after 50 evaluations, beside Optuna 5's samplers: Branin, Hartmann-6, a
 * mixed space with conditions, and a table of 200 trained networks (make-search-table.mjs). `TENON_PYTHON`
 * names a python that has optuna; default python3. A strategy fails where it is worse than its rival: where
 * the lower end of the 90% interval of the difference of means, by an unpaired bootstrap, is above 0. It also
 * fails where it is not better than random search on Branin or Hartmann-6, by the same interval.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tune } from 'tenon';
import { childScript } from './process.mjs';
import { check, root, Skipped } from './report.mjs';

/**
 * Strategies, each with the sampler of Optuna that it may not be worse than, the python package that the
 * sampler needs, the problems that it can search (default: all), and how many seeds are enough of it where it
 * is slow. Random search comes first: the others have to beat it.
 */
const STRATEGIES = [
  { name: 'random', make: (seed) => tune.random({ seed }) },
  { name: 'tpe', make: (seed) => tune.tpe({ seed }), rival: 'TPESampler' },
  // It has nothing to say about dimensions that depend on a choice.
  {
    name: 'cmaEs',
    make: (seed) => tune.cmaEs({ seed }),
    rival: 'CmaEsSampler',
    needs: 'cmaes',
    on: ['branin', 'hartmann6'],
  },
  { name: 'gp', make: (seed) => tune.gp({ seed }), rival: 'GPSampler', needs: 'torch', seeds: 10 },
];

/** Problems on which random search has to be beaten. */
const BEATEN_ON = ['branin', 'hartmann6'];

const TABLE = join(root, 'scripts', 'verify', 'search-table.json');

function branin({ x, y }) {
  const bend = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6;
  return bend ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
}

const HARTMANN = {
  alpha: [1, 1.2, 3, 3.2],
  a: [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ],
  p: [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ],
};

function hartmann6(point) {
  const { alpha, a, p } = HARTMANN;
  const inner = (i) => a[i].reduce((sum, w, j) => sum + w * (point[`x${j}`] - p[i][j]) ** 2, 0);
  return -alpha.reduce((sum, weight, i) => sum + weight * Math.exp(-inner(i)), 0);
}

/** Shaped like the loss of a network: two optimizers with settings of their own, of which one is better. */
function mixed({ optimizer, lr, layers, width, act }) {
  const sgd = optimizer.choice === 'sgd';
  const rate = 0.25 * (Math.log10(lr) + (sgd ? 1.3 : 3)) ** 2;
  const own = sgd ? 4 * (optimizer.momentum - 0.9) ** 2 : 0.1 + (Math.log10(optimizer.eps) + 8) ** 2 / 40;
  const size = (layers - 3) ** 2 / 20 + Math.log2(width / 64) ** 2 / 40;
  return rate + own + size + { relu: 0, gelu: 0.05, tanh: 0.2 }[act];
}

const PROBLEMS = [
  {
    name: 'branin',
    space: { x: tune.uniform(-5, 10), y: tune.uniform(0, 15) },
    f: branin,
    best: 0.39788735772973816,
  },
  {
    name: 'hartmann6',
    space: Object.fromEntries([0, 1, 2, 3, 4, 5].map((j) => [`x${j}`, tune.uniform(0, 1)])),
    f: hartmann6,
    best: -3.322368011391339,
  },
  {
    name: 'mixed',
    space: {
      optimizer: tune.conditional({
        sgd: { momentum: tune.uniform(0, 0.99) },
        adam: { eps: tune.logUniform(1e-10, 1e-2) },
      }),
      lr: tune.logUniform(1e-5, 1),
      layers: tune.integer(1, 8),
      width: tune.integer(8, 512, { log: true }),
      act: tune.choice(['relu', 'gelu', 'tanh']),
    },
    f: mixed,
    best: 0,
  },
  tableProblem(JSON.parse(readFileSync(TABLE, 'utf8'))),
];

/** Errors after the last epoch, by the settings in the order of the table's rows. */
function tableProblem({ dimensions, rows }) {
  const errors = rows.map(({ accuracies }) => 1 - accuracies.at(-1));
  const parameterOf = ({ type, low, high, step, choices }) =>
    type === 'choice' ? tune.choice(choices) : tune.uniform(low, high, { step });
  const countOf = ({ type, low, high, step, choices }) =>
    type === 'choice' ? choices.length : Math.round((high - low) / step) + 1;
  const placeOf = ({ type, low, step, choices }, value) =>
    type === 'choice' ? choices.indexOf(value) : Math.round((value - low) / step);
  const rowOf = (params) =>
    dimensions.reduce((row, { name, domain }) => row * countOf(domain) + placeOf(domain, params[name]), 0);
  return {
    name: 'table',
    space: Object.fromEntries(dimensions.map(({ name, domain }) => [name, parameterOf(domain)])),
    f: (params) => errors[rowOf(params)],
    best: Math.min(...errors),
    errors,
    // One of a thousand validation images: the best row has no logarithm.
    floor: 1e-3,
  };
}

/** log10 of how far the best of `evaluations` trials lies above the minimum. */
async function logRegret({ space, f, best, floor = 1e-12 }, strategy, evaluations) {
  const study = await tune.study(tune.memory(), { space, strategy });
  for await (const { state, notes } of study.run(f, { trials: evaluations }))
    if (state !== 'complete') throw new Error(`a trial is ${state}: ${notes['tenon:error']}`);
  const least = study.best.value;
  await study.close();
  return Math.log10(Math.max(least - best, 0) + floor);
}

const names = PROBLEMS.map(({ name }) => name);

/** Log regrets of Optuna's samplers: { sampler: { problem: [of each seed] } }. */
async function optunaRegrets(settings) {
  const python = process.env.TENON_PYTHON ?? 'python3';
  const runs = (line) => spawnSync(python, ['-c', line]).status === 0;
  if (!runs('import optuna; assert optuna.__version__ >= "5"')) throw new Skipped(`no optuna 5 in ${python}`);
  const problems = [];
  for (const { name, space, best, errors, floor = 1e-12 } of PROBLEMS) {
    const { dimensions } = await tune.study(tune.memory(), { space });
    problems.push({ name, dimensions, best, errors, floor });
  }
  const samplers = STRATEGIES.filter(({ rival, needs }) => rival && (!needs || runs(`import ${needs}`))).map(
    ({ rival, on = names, seeds = settings.seeds }) => ({
      name: rival,
      on,
      seeds: Math.min(seeds, settings.seeds),
    }),
  );
  const input = JSON.stringify({ problems, samplers, hartmann: HARTMANN, ...settings });
  const options = { input, encoding: 'utf8', maxBuffer: 2 ** 28 };
  const { status, stdout, stderr } = spawnSync(python, [childScript('optuna_search.py')], options);
  if (status !== 0) throw new Error(`optuna_search.py: ${stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(stdout);
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Random numbers of the bootstrap: the MurmurHash3 finalizer of a counter. */
function generator(state = 0) {
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let h = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** The 90% interval of mean(ours) - mean(theirs), by resampling each. */
function interval(ours, theirs, resamples = 10_000) {
  const random = generator();
  const again = (values) => mean(values.map(() => values[Math.floor(random() * values.length)]));
  const differences = Float64Array.from({ length: resamples }, () => again(ours) - again(theirs)).sort();
  return [differences[Math.floor(0.05 * resamples)], differences[Math.floor(0.95 * resamples)]];
}

/** One strategy on one problem; `faults` say why it fails. */
function judge(problem, strategy, { ours, theirs, random }) {
  const faults = [];
  const row = { problem, strategy: strategy.name, ours };
  if (strategy.rival === undefined) return { ...row, faults };
  const chance = interval(ours, random);
  if (BEATEN_ON.includes(problem) && chance[1] >= 0)
    faults.push(`${strategy.name} not better than random on ${problem}`);
  if (theirs === undefined) return { ...row, chance, faults };
  const rival = interval(ours, theirs);
  if (rival[0] > 0) faults.push(`${strategy.name} worse than ${strategy.rival} on ${problem}`);
  const [low, high] = rival.map((end) => end.toFixed(2));
  console.log(
    `${problem}: ${strategy.name} ${shown(ours)}, ${strategy.rival} ${shown(theirs)}, difference ${low} to ${high}`,
  );
  return { ...row, theirs, rival, chance, faults };
}

const shown = (values) => mean(values).toFixed(2);
const goal =
  "log regrets are not worse than those of Optuna's samplers by a bootstrap at 90%, and better than random's";
const defaults = { seeds: 100, evaluations: 50 };

await check('search', goal, defaults, async (settings) => {
  const theirs = await optunaRegrets(settings);
  const rows = [];
  for (const problem of PROBLEMS) {
    let random;
    for (const strategy of STRATEGIES.filter(({ on }) => !on || on.includes(problem.name))) {
      const ours = [];
      const seeds = Math.min(strategy.seeds ?? Infinity, settings.seeds);
      for (let seed = 0; seed < seeds; seed++)
        ours.push(await logRegret(problem, strategy.make(seed), settings.evaluations));
      random ??= ours;
      rows.push(
        judge(problem.name, strategy, { ours, theirs: theirs[strategy.rival]?.[problem.name], random }),
      );
    }
  }
  const faults = rows.flatMap((row) => row.faults);
  const cell = ({ problem, strategy, ours, theirs }) =>
    `${problem} ${strategy} ${shown(ours)}${theirs ? ` (${shown(theirs)})` : ''}`;
  const cells = rows.map(cell).join(', ');
  return {
    pass: faults.length === 0,
    figure: `mean log10 regret, in parentheses Optuna's: ${[cells, ...faults].join('; ')}`,
    details: { rows },
  };
});
