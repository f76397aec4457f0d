'use strict';

/**
 * Every system: how its child process is started, and whether it is slow enough that one example is tried
 * before a whole batch.
 */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const adapter = (name) => path.join(__dirname, '..', 'systems', name);
const node = (name, ...args) => ({ command: process.execPath, args: [adapter(name), ...args] });

/**
 * PyTorch at its best on a CPU, as far as we found: the widest kernels that the processor has, threads kept
 * on their cores, and an allocator that never returns memory, so that no step page-faults. The model and its
 * data are channels-last. oneDNN and OpenBLAS choose by the processor themselves, Intel's or AMD's.
 * @param {string} cpuinfo text of /proc/cpuinfo; '' where there is none
 */
function tunedPytorchEnvironment(cpuinfo) {
  const widest = [
    ['avx512', /\bavx512f\b/],
    ['avx2', /\bavx2\b/],
  ].find(([, flag]) => flag.test(cpuinfo))?.[0];
  return {
    OMP_PROC_BIND: 'close',
    ...(widest === undefined ? {} : { ATEN_CPU_CAPABILITY: widest }),
    GLIBC_TUNABLES: [
      'glibc.malloc.hugetlb=1',
      'glibc.malloc.mmap_max=0',
      'glibc.malloc.trim_threshold=17179869184',
      'glibc.malloc.top_pad=268435456',
    ].join(':'),
  };
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The first Python that can import torch. */
function findPython(asked) {
  const candidates = asked === undefined ? ['python3', '/usr/bin/python3'] : [asked];
  for (const python of candidates) {
    try {
      execFileSync(python, ['-c', 'import torch'], { stdio: 'ignore' });
      return python;
    } catch {
      // The next one may have it.
    }
  }
  return undefined;
}

function pytorch(python, ...flags) {
  if (python === undefined) return { missing: 'no Python with torch' };
  const env = flags.length === 0 ? {} : tunedPytorchEnvironment(readText('/proc/cpuinfo'));
  return { command: python, args: [adapter('pytorch.py'), ...flags], env };
}

const packageRoot = path.join(__dirname, '..', '..');

/** tenon as built in `root`: another checkout, for comparing two. */
function tenon({ root = packageRoot, flags = [] } = {}) {
  if (!fs.existsSync(path.join(root, 'dist', 'index.js')))
    return { missing: 'dist/ is not built: npm run build' };
  return { ...node('tenon.js', ...flags), env: { TENON_BENCH_ROOT: root } };
}

/** Whether the built tenon knows the option; asking compiles nothing. */
function knowsPrecision() {
  try {
    require(path.join(packageRoot, 'dist')).compile(() => null, { precision: 'bf16' });
    return true;
  } catch {
    return false;
  }
}

/**
 * bf16 is compared where tenon has it, and PyTorch's only where the processor computes in it: elsewhere a
 * step takes minutes.
 */
const bf16 = {
  tenon: knowsPrecision,
  pytorch: () => /\b(avx512_bf16|amx_bf16)\b/.test(readText('/proc/cpuinfo')),
};

const byName = {
  tenon: { launch: () => tenon(), probe: false, kernels: true },
  pytorch: {
    launch: ({ python }) => pytorch(python, '--channels-last'),
    probe: false,
    kernels: true,
    python: true,
  },
  'tenon-bf16': {
    launch: () => tenon({ flags: ['--bf16'] }),
    probe: false,
    optional: () => !bf16.tenon(),
  },
  'pytorch-bf16': {
    launch: ({ python }) => pytorch(python, '--channels-last', '--bf16'),
    probe: false,
    python: true,
    optional: () => !(bf16.tenon() && bf16.pytorch()),
  },
  'pytorch-newer': {
    launch: ({ newerPython }) => pytorch(newerPython, '--channels-last'),
    probe: false,
    kernels: true,
    optional: () => true,
  },
  'pytorch-stock': {
    launch: ({ python }) => pytorch(python),
    probe: false,
    python: true,
    kernels: true,
    optional: () => true,
  },
  'tfjs-cpu': { launch: () => node('tfjs.js', 'cpu'), probe: true, package: '@tensorflow/tfjs' },
  'tfjs-wasm': {
    launch: () => node('tfjs.js', 'wasm'),
    probe: true,
    package: '@tensorflow/tfjs-backend-wasm',
  },
  'tfjs-wasm-shim': {
    launch: () => node('tfjs.js', 'wasm', '--shim'),
    probe: true,
    package: '@tensorflow/tfjs-backend-wasm',
    optional: () => true,
  },
  'jax-js': { launch: () => node('jax.js'), probe: true, package: '@jax-js/jax' },
  convnetjs: { launch: () => node('convnetjs.js'), probe: true, package: 'convnetjs' },
  onnxruntime: { launch: () => node('onnxruntime.js'), probe: false, package: 'onnxruntime-node' },
};

const systemNames = Object.keys(byName);
/** What is compared when nothing is asked for. */
const defaultSystems = systemNames.filter((name) => byName[name].optional?.() !== true);

/** @returns {{ name: string, probe: boolean, kernels: boolean, launch?: object, missing?: string }[]} */
function resolveSystems(names, { python: askedPython, newerPython }) {
  const python = names.some((name) => byName[name].python) ? findPython(askedPython) : undefined;
  return names.map((name) => {
    const { launch, probe, kernels = false } = byName[name];
    const { missing, ...started } = launch({ python, newerPython });
    return missing === undefined
      ? { name, probe, kernels, launch: started }
      : { name, probe, kernels, missing };
  });
}

/** Whether any of these systems needs bench/node_modules. */
function needPeers(names) {
  return names.some((name) => byName[name].package !== undefined);
}

module.exports = { tenon, tunedPytorchEnvironment, systemNames, defaultSystems, resolveSystems, needPeers };
