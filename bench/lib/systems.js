'use strict';

/** Every system: how its child process is started, and what it takes part in. */
const fs = require('node:fs');
const path = require('node:path');
const { computesBf16, findPython, openvino, pytorch } = require('./python');

const adapter = (name) => path.join(__dirname, '..', 'systems', name);
const node = (name, ...args) => ({ command: process.execPath, args: [adapter(name), ...args] });

const packageRoot = path.join(__dirname, '..', '..');

/** tenon as built in `root`: another checkout, for comparing two. */
function tenon({ root = packageRoot, flags = [] } = {}) {
  if (!fs.existsSync(path.join(root, 'dist', 'index.js')))
    return { missing: 'dist/ is not built: npm run build' };
  return { ...node('tenon.js', ...flags), env: { TENON_BENCH_ROOT: root } };
}

const networks = ['train', 'infer'];
const everything = [...networks, 'kernel'];
const predictions = ['infer'];

/**
 * @typedef {object} Row
 * @property {('train' | 'infer' | 'kernel')[]} kinds
 * @property {(pythons: { python?: string, newerPython?: string }, ...flags: string[]) => object} launch
 * @property {'python' | 'newerPython'} [runsOn] The Python it needs.
 * @property {boolean} [asked] Takes part only when asked for by name.
 * @property {boolean} [probe] Slow enough that one example is tried before a whole batch.
 * @property {boolean} [compiles] Its preparation may take minutes, and has a budget of its own.
 * @property {boolean} [package] Needs bench/node_modules.
 * @property {'fp32' | 'bf16'} [precision]
 */

/** bf16 has the products and convolutions among the kernels: the others are bound by memory. */
const inBf16 = ({ kernel }) => kernel === undefined || kernel.type === 'sgemm' || kernel.type === 'conv';

/** A row for each precision: the adapter takes `--bf16`. */
const inBoth = (name, row) => ({
  [name]: row,
  [`${name}-bf16`]: {
    ...row,
    precision: 'bf16',
    asked: row.asked || (name !== 'tenon' && !computesBf16()),
    launch: (pythons) => row.launch(pythons, '--bf16'),
  },
});

/** The newest PyTorch in one of the modes of pytorch.py. */
const newer = (kinds, mode) => ({
  kinds,
  runsOn: 'newerPython',
  compiles: mode !== 'eager',
  launch: ({ newerPython }, ...flags) => pytorch(newerPython, '--channels-last', '--mode', mode, ...flags),
});

/** A library of npm's: training and predictions, unless `kinds` says otherwise. */
const fromNpm = (row) => ({ kinds: networks, package: true, probe: true, ...row });

/** @type {Record<string, Row>} */
const byName = {
  ...inBoth('tenon', { kinds: everything, launch: (_, ...flags) => tenon({ flags }) }),
  ...inBoth('pytorch', {
    kinds: everything,
    runsOn: 'python',
    launch: ({ python }, ...flags) => pytorch(python, '--channels-last', ...flags),
  }),
  ...inBoth('pytorch-newer', newer(everything, 'eager')),
  ...inBoth('pytorch-compiled', newer(networks, 'compiled')),
  ...inBoth('pytorch-autotuned', newer(networks, 'autotuned')),
  ...inBoth('pytorch-frozen', newer(predictions, 'frozen')),
  ...inBoth('pytorch-scripted', newer(predictions, 'scripted')),
  ...inBoth('openvino', {
    kinds: predictions,
    runsOn: 'newerPython',
    launch: ({ newerPython }, ...flags) => openvino(newerPython, ...flags),
  }),
  'pytorch-stock': {
    kinds: everything,
    runsOn: 'python',
    asked: true,
    launch: ({ python }) => pytorch(python),
  },
  'tfjs-cpu': fromNpm({ launch: () => node('tfjs.js', 'cpu') }),
  'tfjs-wasm': fromNpm({ launch: () => node('tfjs.js', 'wasm') }),
  'tfjs-wasm-shim': fromNpm({ launch: () => node('tfjs.js', 'wasm', '--shim'), asked: true }),
  'jax-js': fromNpm({ launch: () => node('jax.js') }),
  convnetjs: fromNpm({ launch: () => node('convnetjs.js') }),
  onnxruntime: fromNpm({ launch: () => node('onnxruntime.js'), kinds: predictions, probe: false }),
};

const systemNames = Object.keys(byName);

/** What is compared when nothing is asked for. */
function defaultSystems({ newerPython } = {}) {
  return systemNames.filter(
    (name) => !byName[name].asked && (byName[name].runsOn !== 'newerPython' || newerPython !== undefined),
  );
}

/**
 * @typedef {object} System
 * @property {string} name
 * @property {'fp32' | 'bf16'} precision
 * @property {(item: import('./workloads').Item) => boolean} takes Whether it has the item at all.
 * @property {boolean} probe
 * @property {boolean} compiles
 * @property {object} [launch] Undefined where `missing` says what it lacks.
 * @property {string} [missing]
 */

/** @returns {System[]} */
function resolveSystems(names, { python: askedPython, newerPython }) {
  const wanted = names.some((name) => byName[name].runsOn === 'python');
  const python = wanted ? findPython(askedPython) : undefined;
  return names.map((name) => {
    const { launch, kinds, precision = 'fp32', probe = false, compiles = false } = byName[name];
    const takes = (item) => kinds.includes(item.kind) && (precision === 'fp32' || inBf16(item));
    const { missing, ...started } = launch({ python, newerPython });
    const system = { name, precision, takes, probe, compiles };
    return missing === undefined ? { ...system, launch: started } : { ...system, missing };
  });
}

/** Whether any of these systems needs bench/node_modules. */
function needPeers(names) {
  return names.some((name) => byName[name].package);
}

module.exports = { tenon, systemNames, defaultSystems, resolveSystems, needPeers };
