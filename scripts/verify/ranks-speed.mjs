/** Two ranks of one thread train about as fast as one process of two threads. Needs Open MPI's mpirun. */
import { spawnSync } from 'node:child_process';
import { childScript, lastLine, succeed } from './process.mjs';
import { check, root, Skipped } from './report.mjs';

const LAUNCHER = 'mpirun.openmpi';
const goal = 'a step on two ranks of one thread takes at most 1/0.9 of that on one process of two threads';

const BATCHES = { resnet20: 128, resnet18: 64, vggs: 128 };

/** The time of a step on two ranks. */
function onRanks(args) {
  const flags = ['--oversubscribe', '--allow-run-as-root', '--bind-to', 'none', '-n', '2'];
  const env = { ...process.env, TENON_NUM_THREADS: '1' };
  const { stdout, stderr, status } = spawnSync(LAUNCHER, [...flags, process.execPath, ...args], {
    ...{ cwd: root, env, encoding: 'utf8' },
  });
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

await check('ranks-speed', goal, { steps: 10, rounds: 3 }, async ({ steps, rounds }) => {
  if (spawnSync(LAUNCHER, ['--version']).error) throw new Skipped(`${LAUNCHER} is not installed`);
  const networks = [];
  for (const [model, batch] of Object.entries(BATCHES)) {
    const args = (shards) => {
      const settings = ['--model', model, '--batch', batch, '--steps', steps, '--shards', shards];
      return [childScript('ranks-speed.mjs'), ...settings.map(String)];
    };
    const runs = [];
    for (let i = 0; i < rounds; i++) {
      const alone = lastLine(await succeed(args(1), { env: { TENON_NUM_THREADS: '2' } }));
      runs.push({ alone: alone.median, ...onRanks(args(2)) });
    }
    // Another program on the machine only makes a step longer.
    const alone = Math.min(...runs.map((run) => run.alone));
    const ranks = Math.min(...runs.map(({ median }) => median));
    networks.push({ model, batch, alone, ranks, speed: alone / ranks, runs });
  }
  return {
    pass: networks.every(({ speed }) => speed >= 0.9),
    figure: networks.map(({ model, speed }) => `${model} ${speed.toFixed(2)}`).join(', '),
    details: { networks },
  };
});
