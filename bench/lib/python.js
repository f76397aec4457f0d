'use strict';

/** How the adapters written in Python are started: PyTorch and OpenVINO. */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const adapter = (name) => path.join(__dirname, '..', 'systems', name);

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const cpuinfo = () => readText('/proc/cpuinfo');

/**
 * An allocator that never returns memory, so that no step page-faults.
 */
const allocator = {
  GLIBC_TUNABLES: [
    'glibc.malloc.hugetlb=1',
    'glibc.malloc.mmap_max=0',
    'glibc.malloc.trim_threshold=17179869184',
    'glibc.malloc.top_pad=268435456',
  ].join(':'),
};

/**
 * PyTorch at its best on a CPU, as far as we found: the widest kernels that the processor has, threads kept
 * on their cores, and the allocator above. The model and its data are channels-last. oneDNN and OpenBLAS
 * choose by the processor themselves, Intel's or AMD's.
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
    ...allocator,
  };
}

function imports(python, modules) {
  try {
    execFileSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The first Python that can import torch; undefined where none can. */
function findPython(asked) {
  const candidates = asked === undefined ? ['python3', '/usr/bin/python3'] : [asked];
  return candidates.find((python) => imports(python, 'torch'));
}

/** How PyTorch is started: `python` is undefined where none has it. */
function pytorch(python, ...flags) {
  if (python === undefined) return { missing: 'no Python with torch' };
  const env = flags.length === 0 ? {} : tunedPytorchEnvironment(cpuinfo());
  return { command: python, args: [adapter('pytorch.py'), ...flags], env };
}

/** Its threads are not OpenMP's, and would all run where OMP_PROC_BIND keeps the first one. */
function openvino(python, ...flags) {
  if (python === undefined || !imports(python, 'openvino'))
    return { missing: 'no openvino in --newer-python' };
  return { command: python, args: [adapter('openvino_cpu.py'), ...flags], env: allocator };
}

/** Whether the processor computes in bf16: elsewhere a step of a peer takes minutes. */
function computesBf16() {
  return /\b(avx512_bf16|amx_bf16)\b/.test(cpuinfo());
}

module.exports = { computesBf16, findPython, openvino, pytorch, tunedPytorchEnvironment };
