/**
 * The shortest training to 85% on CIFAR-10 from JPEG files, and the same recipe with PyTorch where
 * python3 has it.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { info } from 'tenon';
import { childScript, events, inTemporary, requireData, succeed } from './process.mjs';
import { check, percent } from './report.mjs';

/** The files of a gzipped tar: [name, bytes], in order of name. */
async function readTar(file) {
  const files = [];
  for await (const entry of createReadStream(file).pipe(createGunzip()).pipe(extract())) {
    const chunks = [];
    for await (const chunk of entry) chunks.push(chunk);
    if (entry.header.type === 'file') files.push([entry.header.name, Buffer.concat(chunks)]);
  }
  return files.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Decodes split/CLASS/NNNN.jpg of a tar to split.images (N, 32, 32, 3) and split.labels. */
async function decode(tar, split, directory) {
  const files = (await readTar(tar)).filter(([name]) => name.endsWith('.jpg'));
  const classOf = (name) => name.split('/').at(-2);
  const classes = [...new Set(files.map(([name]) => classOf(name)))].sort();
  const pixels = await Promise.all(files.map(([, bytes]) => sharp(bytes).raw().toBuffer()));
  writeFileSync(join(directory, `${split}.images`), Buffer.concat(pixels));
  const labels = files.map(([name]) => classes.indexOf(classOf(name)));
  writeFileSync(join(directory, `${split}.labels`), Uint8Array.from(labels));
}

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
    const data = requireData('cifar10');
    const begun = performance.now();
    for (const split of ['train', 'test'])
      await decode(join(data, `cifar10-${split}.tar.gz`), split, directory);
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
