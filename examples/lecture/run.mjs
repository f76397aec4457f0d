/**
 * `npm run lecture [-- NAME...]`: every program of this folder, one after the other, each in a process
 * of its own.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const INPUTS = ['preprocessing', 'input-scaling', 'one-sign-gradients', 'whitening', 'image-means'];
const WEIGHTS = ['symmetry', 'activation-statistics', 'variance-by-depth', 'fixup', 'lottery-ticket'];
const UPDATES = ['optimizer-paths', 'update-equivalences', 'learning-rates', 'schedules'];
const NORMS = ['batch-norm', 'batch-norm-test-time', 'normalizations'];
const DATA = ['augmentation', 'ten-crops', 'policy-search', 'mixing'];
const FEWER = ['early-stopping', 'weight-decay', 'weight-penalties', 'bottleneck', 'transfer'];
const NOISE = ['dropout', 'marginalize', 'drop-connect', 'fractional-pooling'];
const SEARCH = ['hyperparameter-search', 'grid-or-random'];
const PROGRAMS = [...INPUTS, ...WEIGHTS, ...UPDATES, ...NORMS, ...DATA, ...FEWER, ...NOISE, ...SEARCH];

const here = dirname(fileURLToPath(import.meta.url));
const names = process.argv.slice(2);
const unknown = names.filter((name) => !PROGRAMS.includes(name));
if (unknown.length > 0)
  throw new Error(`no such program: ${unknown.join(', ')}; there are ${PROGRAMS.join(', ')}`);

const begun = performance.now();
let failed = 0;
for (const name of names.length > 0 ? names : PROGRAMS) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [join(here, `${name}.mjs`)], { stdio: 'inherit' });
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (status !== 0) failed++;
}
console.log(
  `\n${((performance.now() - begun) / 1000).toFixed(0)} s in all${failed > 0 ? `, ${failed} failed` : ''}`,
);
process.exitCode = failed > 0 ? 1 : 0;
