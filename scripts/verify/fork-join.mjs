/**
 * The two pools of threads side by side: what a loop costs by itself, what waiting threads burn, and
 * whole steps; on tenon's own team and on OpenMP runtimes with several settings. Prints the table as
 * Markdown. LLVM's runtime takes the place of libgomp by LD_PRELOAD: `--libomp FILE` (Debian:
 * libomp5; PyPI: intel-openmp).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { events, inTemporary, succeed } from './process.mjs';
import { check, median, percent, root, Skipped } from './report.mjs';

const goal =
  "no setting of OpenMP's is better than our team in latency after idling, idle burn and steps alike";
const defaults = { rounds: 3, steps: 20, threads: availableParallelism(), libomp: '' };
const models = ['lenet', 'vggs'];

const require = createRequire(import.meta.url);
const { addon, buildWithCmake } = require(join(root, 'scripts', 'build-native.js'));
const { jobs, run } = require(join(root, 'scripts', 'tools.js'));

/** A package with the addon that was built last: everything else is that of the checkout. */
function packageWithAddon(folder) {
  mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
  cpSync(addon, join(folder, 'build', 'Release', 'tenon.node'));
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'dist', 'cli', 'main.js');
}

/**
 * The command line on each pool, and the loops alone. The addon of the checkout is the usual one at the end.
 */
function build(directory) {
  buildWithCmake({ openmp: true });
  const openmp = { main: packageWithAddon(join(directory, 'openmp')) };
  buildWithCmake();
  const team = { main: packageWithAddon(join(directory, 'team')) };
  const folder = join(root, 'build', 'cmake');
  for (const [pool, name] of [
    [team, 'fork_join_bench'],
    [openmp, 'openmp_fork_join_bench'],
  ]) {
    run('cmake', ['--build', folder, '--parallel', String(jobs), '--target', name]);
    pool.loops = join(folder, name);
  }
  return { team, openmp };
}

function settingsOf({ team, openmp }, libomp) {
  const llvm = (env) => ({ ...openmp, env: { LD_PRELOAD: libomp, ...env } });
  return {
    "tenon's team": { ...team, env: {} },
    libgomp: { ...openmp, env: {} },
    'libgomp, GOMP_SPINCOUNT=1000': { ...openmp, env: { GOMP_SPINCOUNT: '1000' } },
    'libgomp, OMP_WAIT_POLICY=passive': { ...openmp, env: { OMP_WAIT_POLICY: 'passive' } },
    ...(libomp === '' ? {} : { libomp: llvm({}), 'libomp, KMP_BLOCKTIME=0': llvm({ KMP_BLOCKTIME: '0' }) }),
  };
}

function measureLoops({ loops, env }, threads) {
  const child = spawnSync(loops, [String(threads)], { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (child.status !== 0)
    throw new Error(`${loops}: ${child.stderr.trim() || (child.signal ?? child.status)}`);
  return JSON.parse(child.stdout);
}

async function measureStep({ main, env }, model, threads, steps) {
  const args = [main, 'bench', '--model', model, '--json', '--threads', threads, '--steps', steps];
  return events(await succeed(args.map(String), { env })).at(-1).medianMs;
}

/** Rounds of all settings in turn; medians. */
async function measure(settings, { rounds, steps, threads }) {
  const seen = Object.fromEntries(Object.keys(settings).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, setting] of Object.entries(settings)) {
      const figures = measureLoops(setting, threads);
      for (const model of models) figures[model] = await measureStep(setting, model, threads, steps);
      seen[name].push(figures);
    }
  }
  const columns = ['backToBack', 'afterIdling', 'idleBurn', 'full', ...models];
  const middle = (all) => Object.fromEntries(columns.map((c) => [c, median(all.map((one) => one[c]))]));
  return Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, middle(all)]));
}

const microseconds = (nanoseconds) => `${(nanoseconds / 1000).toFixed(nanoseconds < 10_000 ? 2 : 0)} µs`;

function table(rows) {
  const head = ['pool', 'back to back', 'after idling', 'idle burn', '64 blocks', ...models];
  const lines = Object.entries(rows).map(([name, row]) => [
    name,
    microseconds(row.backToBack),
    microseconds(row.afterIdling),
    `${percent(row.idleBurn, 1)} of a core`,
    microseconds(row.full),
    ...models.map((model) => `${row[model].toFixed(2)} ms`),
  ]);
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** Whether a row is better than our team's in all that counts. */
const betterThan = (team) => (row) =>
  ['afterIdling', 'idleBurn', ...models].every((column) => row[column] < team[column]);

await check('fork-join', goal, defaults, async ({ rounds, steps, threads, libomp }) => {
  if (libomp !== '' && !existsSync(libomp)) throw new Skipped(`${libomp} is not there`);
  return inTemporary(async (directory) => {
    const settings = settingsOf(build(directory), libomp);
    const rows = await measure(settings, { rounds, steps, threads });
    console.log(table(rows));
    const [team, ...others] = Object.values(rows);
    const { afterIdling, idleBurn, lenet } = team;
    return {
      pass: !others.some(betterThan(team)),
      figure: `team: ${microseconds(afterIdling)} after idling, ${percent(idleBurn, 1)} of a core, lenet ${lenet.toFixed(2)} ms`,
      details: { rows, threads },
    };
  });
});
