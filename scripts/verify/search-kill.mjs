/**
 * A search whose processes are killed: a grid of points is tried in two worker processes, each of which is
 * killed with SIGKILL ten times at random instants, and so is, a few times, the process that conducts them
 * and is then started again. Each point must be completed exactly once, and no trial may be left running.
 * Python's Optuna counts the same in the journal (`TENON_PYTHON`; left out where it is missing).
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { tune } from 'tenon';
import { isAlive, random, sleep, startSearch, tally } from './killing.mjs';
import { childScript, inTemporary } from './process.mjs';
import { check } from './report.mjs';

const goal = 'every point completed once, no trial left running, Optuna counts the same';
const defaults = { trials: 200, kills: 10, conductors: 3 };

/** Kills until there is nothing left to kill, then lets the search end. */
async function searchUnderFire(folder, { trials, kills, conductors }) {
  const start = () => startSearch(folder, { trials, workers: 2 });
  let run = start();
  const all = new Set();
  const killed = { workers: 0, conductors: 0 };
  let over = false;
  const watch = () => void run.ended.then(({ signal }) => (over = signal === null));
  watch();
  const every = Math.ceil((2 * kills) / (conductors + 1));
  while (killed.workers < 2 * kills && !over) {
    await sleep(100 + 400 * random());
    const alive = [...run.workers].filter(isAlive);
    if (alive.length === 0) continue;
    const victim = alive[killed.workers % alive.length];
    process.kill(victim, 'SIGKILL');
    run.workers.delete(victim);
    killed.workers++;
    if (killed.workers % every !== 0 || killed.conductors === conductors) continue;
    await sleep(300 * random());
    for (const pid of run.workers) all.add(pid);
    run.child.kill('SIGKILL');
    await run.ended;
    killed.conductors++;
    run = start();
    watch();
  }
  const { code } = await run.ended;
  for (const pid of run.workers) all.add(pid);
  await sleep(3000);
  return { code, killed, orphans: [...all].filter(isAlive).length };
}

/** What Optuna finds, or why it could not look. */
function optuna(path) {
  const python = process.env.TENON_PYTHON ?? 'python3';
  const { status, stdout, stderr } = spawnSync(python, [childScript('optuna_count.py'), path], {
    encoding: 'utf8',
  });
  if (status === 0) return JSON.parse(stdout);
  if (status === 3) return undefined;
  throw new Error(`optuna: ${stderr?.trim().split('\n').at(-1)}`);
}

await check('search-kill', goal, defaults, (settings) =>
  inTemporary(async (root) => {
    const folder = join(root, 'study');
    const { code, killed, orphans } = await searchUnderFire(folder, settings);
    const study = await tune.study(folder);
    const { whole, complete, figure } = tally(study, settings.trials);
    const theirs = optuna(join(folder, 'study.log'));
    const same =
      theirs === undefined ||
      (theirs.trials === study.trials.length &&
        theirs.complete === complete &&
        theirs.best === study.best?.value);
    await study.close();
    const enough = killed.workers === 2 * settings.kills && killed.conductors === settings.conductors;
    return {
      pass: code === 0 && whole && orphans === 0 && same && enough,
      figure:
        `${killed.workers} kills of workers and ${killed.conductors} of the conductor: ` +
        `${figure}, ${orphans} processes left; Optuna ` +
        (theirs === undefined ? 'is missing' : `counts ${same ? 'the same' : JSON.stringify(theirs)}`),
    };
  }),
);
