/**
 * The relative error of products, convolutions, norms, softmax, cross entropy, their gradients and
 * optimizers, beside PyTorch's. Each library's float32 is held against its own float64 on the same numbers:
 * ours is the reference target, which has tests of its own. A figure is the root mean square over several
 * seeds: how one mean happens to be rounded would decide that of a single one. `TENON_PYTHON` names a python
 * that has torch; default python3. `--record FILE` keeps every figure.
 */
import { spawnSync } from 'node:child_process';
import { compile, grad, nn, ops, optim, tensor, withTarget } from 'tenon';
import { childScript } from './process.mjs';
import { check, Skipped } from './report.mjs';

/** Two float32 units in the last place: what a result may lose whatever PyTorch has. */
const FLOOR = 2 * 2 ** -23;

let state = 1;
function uniform() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 0.5) / 2 ** 32;
}

/** Float32 numbers from N(mean, 1), as float64 so that both targets take the same. */
function normal(shape, mean = 0) {
  const size = shape.reduce((n, d) => n * d, 1);
  const values = Float64Array.from({ length: size }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return Math.fround(mean + radius * Math.cos(2 * Math.PI * uniform()));
  });
  return { shape, values, dtype: 'f32' };
}

const filled = (shape, value) => ({ shape, values: new Float64Array(shape[0]).fill(value), dtype: 'f32' });

/** What `fn` returns for these inputs, on the target in use. */
function run(inputs, fn) {
  const compiled = compile(fn);
  const tensors = inputs.map(({ values, shape, dtype }) => tensor(values, shape, dtype));
  const results = compiled.runSync(...tensors).map((result) => Float64Array.from(result.dataSync()));
  compiled.dispose();
  return results;
}

/** The gradients, by some tensors, of the sum of y times `weights`. */
const gradients = (y, weights, by) => grad(ops.sum(ops.mul(y, weights)), by);

class Weights extends nn.Module {
  values = nn.parameter([1000], (shape) => ops.full(shape, 1));
  forward(x) {
    return ops.mul(this.values, x);
  }
}

/** [batch, channels, height, width] of as many images of 20x20 as have these pixels. */
const images = (channels, pixels = 400) => [pixels / 400, channels, 20, 20];
const padded = (kernel) => ({ padding: (kernel - 1) / 2 });

/** kind(...arguments): the inputs of one seed, and what is computed of them: { name of a result: values }. */
const kinds = {
  // So many rows that PyTorch takes its best kernel.
  product: (k) => [[normal([32, k]), normal([k, 32])], ['y'], (a, b) => [ops.matmul(a, b)]],
  conv_forward: (channels, kernel) => [
    [normal(images(channels)), normal([32, channels, kernel, kernel])],
    ['y'],
    (x, w) => [ops.conv2d(x, w, undefined, padded(kernel))],
  ],
  conv_data: (channels, kernel) => [
    [normal(images(32)), normal([channels, 32, kernel, kernel]), normal(images(channels))],
    ['dx'],
    (x, w, dy) => gradients(ops.conv2d(x, w, undefined, padded(kernel)), dy, [x]),
  ],
  conv_weights: (pixels, kernel) => [
    [normal(images(16, pixels)), normal([16, 16, kernel, kernel]), normal(images(16, pixels))],
    ['dw'],
    (x, w, dy) => gradients(ops.conv2d(x, w, undefined, padded(kernel)), dy, [w]),
  ],
  batch_norm: (n, ratio) => [
    [normal([n, 2], ratio), filled([2], 1), filled([2], 0), normal([n, 2])],
    ['y', 'dx', 'dgamma'],
    (x, gamma, beta, dy) => {
      const { y } = ops.batchNormTrain(x, gamma, beta, 1e-5);
      return [y, ...gradients(y, dy, [x, gamma])];
    },
  ],
  layer_norm: (n, ratio) => [
    [normal([2, n], ratio), normal([2, n])],
    ['y', 'dx'],
    (x, dy) => {
      const y = ops.layerNorm(x, [n]);
      return [y, ...gradients(y, dy, [x])];
    },
  ],
  group_norm: (n, ratio) => [
    [normal([2, 4, n / 2], ratio), normal([2, 4, n / 2])],
    ['y', 'dx'],
    (x, dy) => {
      const y = ops.groupNorm(x, 2);
      return [y, ...gradients(y, dy, [x])];
    },
  ],
  softmax: (n) => [
    [normal([2, n]), normal([2, n])],
    ['y', 'dx'],
    (x, dy) => {
      const y = ops.softmax(x);
      return [y, ...gradients(y, dy, [x])];
    },
  ],
  cross_entropy: (n) => [
    [normal([2, n]), { shape: [2], values: Int32Array.of(0, n >> 1), dtype: 'i32' }],
    ['loss', 'dx'],
    (x, target) => {
      const loss = ops.mean(ops.crossEntropy(x, target));
      return [loss, ...grad(loss, [x])];
    },
  ],
};

const optimizers = {
  sgd: () => optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3 }),
  adam: () => optim.adam({ lr: 0.01 }),
  adamw: () => optim.adamw({ lr: 0.01 }),
  nadam: () => optim.nadam({ lr: 0.01 }),
  rmsprop: () => optim.rmsprop({ lr: 0.01 }),
  adagrad: () => optim.adagrad({ lr: 0.01 }),
};

/** How far weights of 1 are moved in some steps by gradients from N(0, 1). */
function moved(name, recorded) {
  const model = new Weights().initialize();
  const optimizer = optimizers[name]();
  const step = compile((g) => optimizer.update(grad(ops.sum(model.forward(g)))) ?? {});
  for (const { values, shape, dtype } of recorded) step.runSync(tensor(values, shape, dtype));
  const movement = Float64Array.from(model.values.dataSync(), (value) => value - 1);
  step.dispose();
  return [movement];
}

/** One seed of a case: its results on both targets, [actual, exact] by name. */
function computed(kind, args) {
  let names = ['w'];
  let work;
  if (kind === 'optimizer') {
    const [name, steps] = args;
    const recorded = Array.from({ length: steps }, () => normal([1000]));
    work = () => moved(name, recorded);
  } else {
    const [inputs, results, fn] = kinds[kind](...args);
    names = results;
    work = () => run(inputs, fn);
  }
  const [actual, exact] = [work(), withTarget('ref', work)];
  return names.map((name, i) => [name, actual[i], exact[i]]);
}

/** |actual - exact|^2 / |exact|^2 */
function squaredError(actual, exact) {
  let [errors, squares] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    errors += (actual[i] - exact[i]) ** 2;
    squares += exact[i] ** 2;
  }
  return errors / squares;
}

/** { name of a result: error } */
function errorsOf({ kind, args, seeds }) {
  const sums = {};
  for (let seed = 0; seed < seeds; seed++)
    for (const [name, actual, exact] of computed(kind, args))
      sums[name] = (sums[name] ?? 0) + squaredError(actual, exact) / seeds;
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Math.sqrt(sum)]));
}

const LENGTHS = [16, 64, 256, 1024, 4608, 10_000, 100_000, 1_000_000];
const CHANNELS = [16, 64, 256, 512];
const one = (kind, title, args, length) => ({ title, kind, args, seeds: length < 100_000 ? 8 : 3 });

const cases = [
  ...LENGTHS.map((k) => one('product', `product, K = ${k}`, [k], k)),
  ...[1, 3, 5].flatMap((size) =>
    ['forward', 'data'].flatMap((way) =>
      CHANNELS.map((c) =>
        one(`conv_${way}`, `conv2d ${size}x${size} ${way}, K = ${c * size ** 2}`, [c, size], c),
      ),
    ),
  ),
  ...[1, 3, 5].flatMap((size) =>
    [400, 10_000, 100_000].map((pixels) =>
      one('conv_weights', `conv2d ${size}x${size} weights, K = ${pixels}`, [pixels, size], pixels),
    ),
  ),
  ...['batch_norm', 'layer_norm', 'group_norm'].flatMap((kind) =>
    [16, 1024, 100_000, 1_000_000].flatMap((n) =>
      [1, 100, 10_000].map((ratio) => {
        const row = one(kind, `${kind} of ${n}, mean/std ${ratio}`, [n, ratio], n);
        return n > 1024 ? row : { ...row, seeds: 64 }; // few means a seed, and rounded by chance
      }),
    ),
  ),
  ...['softmax', 'cross_entropy'].flatMap((kind) => LENGTHS.map((n) => one(kind, `${kind} of ${n}`, [n], n))),
  ...Object.keys(optimizers).flatMap((name) =>
    [1, 100].map((steps) => one('optimizer', `${name}, ${steps} steps`, [name, steps], steps)),
  ),
];

function pytorch() {
  const python = process.env.TENON_PYTHON ?? 'python3';
  const child = spawnSync(python, [childScript('accuracy.py')], {
    input: JSON.stringify(cases),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (child.status !== 0)
    throw new Skipped(`${python} has no torch, or failed; TENON_PYTHON names one that has`);
  return JSON.parse(child.stdout);
}

const goal = 'no error above twice that of PyTorch and 2 units in the last place';

await check('accuracy', goal, {}, () => {
  const torch = pytorch();
  const rows = cases.flatMap((one, i) =>
    Object.entries(errorsOf(one)).map(([name, error]) => {
      const { [name]: theirs, [`${name} channels-last`]: channelsLast } = torch.errors[i];
      return {
        title: `${one.title}: ${name}`,
        error,
        theirs,
        channelsLast,
        pass: error <= 2 * theirs + FLOOR,
      };
    }),
  );
  const short = (error) => error?.toExponential(1) ?? '';
  const table = rows.map(
    ({ title, error, theirs, channelsLast, pass }) =>
      `| ${title} | ${short(error)} | ${short(theirs)} | ${short(channelsLast)} | ${pass ? 'PASS' : 'FAIL'} |`,
  );
  const head = ['| | tenon | PyTorch | PyTorch, channels-last | |', '|---|---|---|---|---|'];
  console.log([...head, ...table].join('\n'));
  const failed = rows.filter(({ pass }) => !pass);
  return {
    pass: failed.length === 0,
    figure: `${rows.length - failed.length} of ${rows.length} within it, beside PyTorch ${torch.version}`,
    details: { rows },
  };
});
