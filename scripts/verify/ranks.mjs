/**
 * The bits of the weights depend neither on the number of ranks nor on the MPI that carries the bytes:
 * resnet20 on CIFAR-10 with every launcher that is found (mpirun.mjs), one thread a rank; with one of them
 * also what a training may have besides, and a job of four ranks that goes on with fewer.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { launcherOf, launchers, mpirun } from './mpirun.mjs';
import { childScript, findData, inTemporary, lastLine, run } from './process.mjs';
import { check } from './report.mjs';

const goal = 'resnet20, the same SHA-256 of the weights in one process and on 1, 2, 3 and 4 ranks of any MPI';
const defaults = { steps: 50, batch: 64, shards: 4, only: '' };

const RANKS = [1, 2, 3, 4];
const ALONE = { name: 'one process', file: undefined };
const CASES = ['bf16', 'dropout', 'mixup', 'accumulate', 'syncBatchNorm'];

/** The last line of the child, on so many ranks of a launcher, or without one. */
async function train(launcher, ranks, settings) {
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = [childScript('ranks.mjs'), ...flags];
  const command = launcher === ALONE ? [process.execPath, args] : mpirun(ranks, args, launcher);
  const result = await run(...command, { env: { TENON_NUM_THREADS: '1' } });
  if (result.code === 0) return lastLine(result);
  throw new Error(`${launcher.name}, ${ranks} ranks: exit ${result.code}: ${result.stderr.trim()}`);
}

/** One line of the table: what was trained where, and the digest. */
async function row(what, launcher, ranks, settings) {
  const { done, digest, ...trained } = await train(launcher, ranks, settings);
  if (trained.ranks !== ranks) throw new Error(`${launcher.name}: ${trained.ranks} ranks, not ${ranks}`);
  console.log(
    `${what.padEnd(18)} ${launcher.name.padEnd(16)} ${ranks} ranks, ${done} steps: ${digest.slice(0, 32)}`,
  );
  return { what, launcher: launcher.name, ranks, done, digest };
}

async function plain(settings) {
  const rows = [await row('plain', ALONE, 1, settings)];
  for (const launcher of launchers())
    for (const ranks of RANKS) rows.push(await row('plain', launcher, ranks, settings));
  return rows;
}

async function special(name, launcher, settings) {
  const rows = [await row(name, ALONE, 1, settings)];
  for (const ranks of RANKS.slice(1)) rows.push(await row(name, launcher, ranks, settings));
  return rows;
}

/** Ends where a run of `steps` does, by way of a checkpoint of four ranks. */
function resumed(launcher, settings) {
  return inTemporary(async (directory) => {
    const { steps } = settings;
    const saved = join(directory, 'saved');
    const half = Math.ceil(steps / 2);
    await row('half of it', launcher, 4, { ...settings, steps: half, save: saved, every: half });
    const rows = [];
    for (const ranks of [1, 2]) {
      const copy = join(directory, `on-${ranks}`);
      cpSync(saved, copy, { recursive: true });
      rows.push(await row('resumed', launcher, ranks, { ...settings, resume: copy }));
    }
    return rows;
  });
}

await check('ranks', goal, defaults, async ({ only, ...settings }) => {
  const launcher = launcherOf();
  const wanted = (name) => only === '' || only.split(',').includes(name);
  const groups = [];
  if (wanted('plain')) {
    const run = { case: 'plain', ...settings };
    groups.push([...(await plain(run)), ...(await resumed(launcher, run))]);
  }
  for (const name of CASES.filter(wanted))
    groups.push(await special(name, launcher, { case: name, ...settings }));
  const digests = groups.map((rows) => new Set(rows.map(({ digest }) => digest)));
  const whole = groups.flat().every(({ done }) => done === settings.steps);
  const tried = new Set(groups.flat().map((each) => each.launcher));
  return {
    pass: whole && digests.every(({ size }) => size === 1),
    figure:
      `${settings.steps} steps at ${settings.shards} shards, ${groups.flat().length} trainings ` +
      `(${[...tried].join(', ')}): ` +
      groups
        .map(([{ what }], i) => `${what} ${[...digests[i]].map((d) => d.slice(0, 16)).join(' and ')}`)
        .join(', '),
    details: { rows: groups.flat(), images: findData('cifar10') === undefined ? 'random' : 'CIFAR-10' },
  };
});
