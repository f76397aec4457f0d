/** Two ranks of one thread train about as fast as one process of two threads. Needs Open MPI's mpirun. */
import { spawnSync } from 'node:child_process';
import { mpirun } from './mpirun.mjs';
import { childScript, lastLine, succeed } from './process.mjs';
import { check, median, root } from './report.mjs';

const goal = 'a step on two ranks of one thread takes at most 1/0.9 of that on one process of two threads';

const NETWORKS = [
  { model: 'resnet20', batch: 128, side: 32 },
  { model: 'resnet18', batch: 64, side: 32 },
  { model: 'resnet18', batch: 16, side: 224 },
  { model: 'vggs', batch: 128, side: 32 },
];

/** The time of a step on two ranks. */
function onRanks(args) {
  const env = { ...process.env, TENON_NUM_THREADS: '1' };
  const { stdout, stderr, status } = spawnSync(...mpirun(2, args), { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

await check('ranks-speed', goal, { steps: 10, rounds: 3, only: '' }, async ({ steps, rounds, only }) => {
  const networks = [];
  for (const { model, batch, side } of NETWORKS) {
    if (only !== '' && !only.split(',').includes(`${model}-${side}`)) continue;
    const args = (shards) => {
      const settings = [
        '--model',
        model,
        '--batch',
        batch,
        '--steps',
        steps,
        '--shards',
        shards,
        '--side',
        side,
      ];
      return [childScript('ranks-speed.mjs'), ...settings.map(String)];
    };
    const runs = [];
    for (let i = 0; i < rounds; i++) {
      const alone = lastLine(await succeed(args(1), { env: { TENON_NUM_THREADS: '2' } }));
      runs.push({ alone: alone.median, ranks: onRanks(args(2)).median });
    }
    // Both of a round meet the same moment of the machine.
    const speed = median(runs.map((run) => run.alone / run.ranks));
    networks.push({ model, batch, side, speed, runs });
  }
  return {
    pass: networks.every(({ speed }) => speed >= 0.9),
    figure: networks
      .map(({ model, side, speed }) => `${model} of ${side}x${side} ${speed.toFixed(2)}`)
      .join(', '),
    details: { networks },
  };
});
