'use strict';

/** Every system: how its child process is started, and whether it is slow enough that one example is tried before a whole batch. */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const adapter = (name) => path.join(__dirname, '..', 'systems', name);
const node = (name, ...args) => ({ command: process.execPath, args: [adapter(name), ...args] });

/**
 * PyTorch at its best on a CPU, as far as we found: AVX-512 kernels where the processor has them, threads kept on their cores, and an
 * allocator that never returns memory, so that no step page-faults. The model and its data are channels-last.
 */
function tunedPytorchEnvironment() {
  const hasAvx512 = /\bavx512f\b/.test(readText('/proc/cpuinfo'));
  return {
    OMP_PROC_BIND: 'close',
    ...(hasAvx512 ? { ATEN_CPU_CAPABILITY: 'avx512' } : {}),
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

function pytorch(python, tuned) {
  if (python === undefined) return { missing: 'no python3 with torch' };
  const args = [adapter('pytorch.py'), ...(tuned ? ['--channels-last'] : [])];
  return { command: python, args, env: tuned ? tunedPytorchEnvironment() : {} };
}

function tenon() {
  const main = path.join(__dirname, '..', '..', 'dist', 'index.js');
  return fs.existsSync(main) ? node('tenon.js') : { missing: 'dist/ is not built: npm run build' };
}

const byName = {
  tenon: { launch: tenon, probe: false },
  pytorch: { launch: ({ python }) => pytorch(python, true), probe: false, python: true },
  'pytorch-stock': {
    launch: ({ python }) => pytorch(python, false),
    probe: false,
    python: true,
    optional: true,
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
    optional: true,
  },
  'jax-js': { launch: () => node('jax.js'), probe: true, package: '@jax-js/jax' },
  convnetjs: { launch: () => node('convnetjs.js'), probe: true, package: 'convnetjs' },
  onnxruntime: { launch: () => node('onnxruntime.js'), probe: false, package: 'onnxruntime-node' },
};

const systemNames = Object.keys(byName);
/** What is compared when nothing is asked for. */
const defaultSystems = systemNames.filter((name) => !byName[name].optional);

/** @returns {{ name: string, probe: boolean, launch?: object, missing?: string }[]} */
function resolveSystems(names, { python: askedPython }) {
  const python = names.some((name) => byName[name].python) ? findPython(askedPython) : undefined;
  return names.map((name) => {
    const { launch, probe } = byName[name];
    const { missing, ...started } = launch({ python });
    return missing === undefined ? { name, probe, launch: started } : { name, probe, missing };
  });
}

/** Whether any of these systems needs bench/node_modules. */
function needPeers(names) {
  return names.some((name) => byName[name].package !== undefined);
}

module.exports = { systemNames, defaultSystems, resolveSystems, needPeers };
