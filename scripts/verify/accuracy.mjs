/**
 * The relative error of products, convolutions, norms and softmax against float64, beside PyTorch's on numbers of the same distribution.
 * `TENON_PYTHON` names a python that has torch; default python3. `--record FILE` keeps every figure.
 */
import { spawnSync } from 'node:child_process';
import { ops, tensor } from 'tenon';
import { childScript } from './process.mjs';
import { check, Skipped } from './report.mjs';

/** Two float32 units in the last place: what a result may lose whatever PyTorch has. */
const FLOOR = 2 * 2 ** -23;

const [CONV_SIZE, CONV_OUTPUTS] = [20, 16];

let seed = 1;
function uniform() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return (seed + 0.5) / 2 ** 32;
}

const normal = (n, mean = 0) =>
  Float32Array.from({ length: n }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return mean + radius * Math.cos(2 * Math.PI * uniform());
  });

/** |actual - exact| / |exact| */
function relativeError(actual, exact) {
  let [errors, squares] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    errors += (actual[i] - exact[i]) ** 2;
    squares += exact[i] ** 2;
  }
  return Math.sqrt(errors / squares);
}

async function product(k) {
  const n = 32; // so many rows that PyTorch takes its best kernel
  const [a, b] = [normal(n * k), normal(n * k)];
  const exact = new Float64Array(n * n);
  for (let t = 0; t < k; t++)
    for (let i = 0; i < n; i++) {
      const left = a[i * k + t];
      for (let j = 0; j < n; j++) exact[i * n + j] += left * b[t * n + j];
    }
  return relativeError(await ops.matmul(tensor(a, [n, k]), tensor(b, [k, n])).data(), exact);
}

async function conv(channels) {
  const pixels = CONV_SIZE ** 2;
  const [x, w] = [normal(channels * pixels), normal(CONV_OUTPUTS * channels * 9)];
  const exact = new Float64Array(CONV_OUTPUTS * pixels);
  for (let i = 0; i < exact.length; i++) {
    const [o, row, column] = [Math.floor(i / pixels), Math.floor((i % pixels) / CONV_SIZE), i % CONV_SIZE];
    for (let tap = 0; tap < 9; tap++) {
      const [r, c] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
      if (r < 0 || c < 0 || r >= CONV_SIZE || c >= CONV_SIZE) continue;
      for (let k = 0; k < channels; k++)
        exact[i] += x[k * pixels + r * CONV_SIZE + c] * w[(o * channels + k) * 9 + tap];
    }
  }
  const y = ops.conv2d(
    tensor(x, [1, channels, CONV_SIZE, CONV_SIZE]),
    tensor(w, [CONV_OUTPUTS, channels, 3, 3]),
    undefined,
    { padding: 1 },
  );
  return relativeError(await y.data(), exact);
}

/** Rows of `stride` columns (batch norm), or one row after the other. */
function standardized(x, n, at) {
  const exact = new Float64Array(2 * n);
  for (const group of [0, 1]) {
    let [mean, variance] = [0, 0];
    for (let i = 0; i < n; i++) mean += x[at(group, i)] / n;
    for (let i = 0; i < n; i++) variance += (x[at(group, i)] - mean) ** 2 / n;
    for (let i = 0; i < n; i++) exact[at(group, i)] = (x[at(group, i)] - mean) / Math.sqrt(variance + 1e-5);
  }
  return exact;
}

async function batch_norm(n, ratio) {
  const x = normal(2 * n, ratio);
  const [ones, zeros] = [tensor(new Float32Array([1, 1])), tensor(new Float32Array(2))];
  const { y } = ops.batchNormTrain(tensor(x, [n, 2]), ones, zeros, 1e-5);
  const exact = standardized(x, n, (group, i) => 2 * i + group);
  return relativeError(await y.data(), exact);
}

async function layer_norm(n, ratio) {
  const x = normal(2 * n, ratio);
  const exact = standardized(x, n, (group, i) => group * n + i);
  return relativeError(await ops.layerNorm(tensor(x, [2, n]), [n]).data(), exact);
}

async function softmax(n) {
  const x = normal(2 * n);
  const exact = Float64Array.from(x, Math.exp);
  for (const row of [0, 1]) {
    const part = exact.subarray(row * n, (row + 1) * n);
    const sum = part.reduce((a, b) => a + b, 0);
    part.forEach((v, i) => (part[i] = v / sum));
  }
  return relativeError(await ops.softmax(tensor(x, [2, n])).data(), exact);
}

const kinds = { product, conv, batch_norm, layer_norm, softmax };
const LENGTHS = [16, 64, 256, 1024, 4608, 10_000, 100_000, 1_000_000];

const cases = [
  ...LENGTHS.map((k) => [`product of ${k}`, 'product', [k]]),
  ...[16, 64, 256, 512].map((c) => [`conv2d 3x3 of ${c} channels`, 'conv', [c]]),
  ...['batch_norm', 'layer_norm'].flatMap((kind) =>
    [16, 1024, 100_000, 1_000_000].flatMap((n) =>
      [1, 100, 10_000].map((ratio) => [`${kind} of ${n}, mean/std ${ratio}`, kind, [n, ratio]]),
    ),
  ),
  ...LENGTHS.map((n) => [`softmax of ${n}`, 'softmax', [n]]),
];

function pytorch() {
  const python = process.env.TENON_PYTHON ?? 'python3';
  const child = spawnSync(python, [childScript('accuracy.py')], {
    input: JSON.stringify(cases),
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Skipped(`${python} has no torch; TENON_PYTHON names one that has`);
  return JSON.parse(child.stdout);
}

const goal = 'no error above twice that of PyTorch and 2 units in the last place';

await check('accuracy', goal, {}, async () => {
  const torch = pytorch();
  const rows = [];
  for (const [name, kind, args] of cases) {
    const error = await kinds[kind](...args);
    const theirs = torch.errors[name];
    rows.push({ name, error, pytorch: theirs, pass: error <= 2 * theirs + FLOOR });
  }
  const table = rows.map(
    (row) =>
      `| ${row.name} | ${row.error.toExponential(1)} | ${row.pytorch.toExponential(1)} | ${row.pass ? 'PASS' : 'FAIL'} |`,
  );
  console.log(['| | tenon | PyTorch | |', '|---|---|---|---|', ...table].join('\n'));
  const failed = rows.filter((row) => !row.pass);
  return {
    pass: failed.length === 0,
    figure: `${rows.length - failed.length} of ${rows.length} within it, beside PyTorch ${torch.version}`,
    details: { rows, contiguous: torch.errors },
  };
});
