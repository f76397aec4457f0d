/**
 * The shortest training to 85% on CIFAR-10 from JPEG files, and the same recipe with PyTorch where
 * python3 has it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { info } from 'tenon';
import { decodeCifar10 } from './decoded.mjs';
import { childScript, events, inTemporary, succeed } from './process.mjs';
import { check, percent } from './report.mjs';

/** PyTorch's result, or undefined where python3 has none. The environment is the fastest one known for it. */
function runPyTorch(directory, seed) {
  const python = ['python3', '/usr/bin/python3'].find(
    (each) => spawnSync(each, ['-c', 'import torch, numpy']).status === 0,
  );
  if (python === undefined) return undefined;
  const avx512 = readFileSync('/proc/cpuinfo', 'utf8').includes('avx512f');
  const env = {
    ...process.env,
    OMP_PROC_BIND: 'close',
    ATEN_CPU_CAPABILITY: avx512 ? 'avx512' : 'avx2',
    GLIBC_TUNABLES:
      'glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456',
  };
  const args = [childScript('cifar10_fast.py'), directory, seed, info().threads].map(String);
  const child = spawnSync(python, args, { env, encoding: 'utf8', maxBuffer: 2 ** 24 });
  if (child.status !== 0)
    throw new Error(`cifar10_fast.py: ${child.stderr.trim().split('\n').at(-1) ?? child.signal}`);
  return events({ lines: child.stdout.trim().split('\n') });
}

const goal = 'at least 85% test accuracy, in less time than PyTorch takes for the same recipe';

await check('cifar10-fast', goal, { seed: 1, pytorch: 1 }, async ({ seed, pytorch }) =>
  inTemporary(async (directory) => {
    const begun = performance.now();
    await decodeCifar10(directory);
    const decodeSeconds = (performance.now() - begun) / 1000;
    const ours = events(await succeed([childScript('cifar10-fast.mjs'), directory, String(seed)]));
    const { accuracy, seconds } = ours.at(-1);
    const line = (name, run) => `${name} ${percent(run.accuracy)} in ${run.seconds.toFixed(1)} s`;
    console.log(line('tenon', ours.at(-1)));
    const theirs = pytorch === 1 ? runPyTorch(directory, seed) : undefined;
    const peer = theirs?.at(-1);
    return {
      pass: accuracy >= 0.85 && (peer === undefined || seconds < peer.seconds),
      figure: [line('tenon', ours.at(-1)), ...(peer ? [line('PyTorch', peer)] : [])].join(', '),
      details: { decodeSeconds, tenon: ours, pytorch: theirs },
    };
  }),
);
