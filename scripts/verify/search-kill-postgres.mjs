/**
 * A search in PostgreSQL by two processes, each of which is killed with SIGKILL ten times at random instants
 * and started again. Each point must be completed exactly once, no trial may begin twice, and none may be
 * left running. The server is one of its own (children/postgres-server.js).
 */
import { createRequire } from 'node:module';
import { tune } from 'tenon';
import { isAlive, random, sleep, startSearch, tally } from './killing.mjs';
import { childScript } from './process.mjs';
import { check, Skipped } from './report.mjs';

const { findPostgres, startPostgres } = createRequire(import.meta.url)(childScript('postgres-server.js'));

const goal = 'every point completed once, no trial begun twice or left running';
const defaults = { trials: 200, kills: 10 };

/** One of the two processes, again and again, and at last to its end. */
async function underFire(place, { trials, kills }) {
  const workers = new Set();
  const begun = [];
  for (let killed = 0; ; killed++) {
    const run = startSearch(place, { trials, workers: 1 });
    const over = run.ended.then(() => true);
    if (killed < kills) {
      while (run.begun.length === 0 && !(await Promise.race([over, sleep(20)])));
      await sleep(1500 * random());
      run.child.kill('SIGKILL');
    }
    const { code, signal } = await run.ended;
    for (const pid of run.workers) workers.add(pid);
    // What a worker said before it noticed that its parent had died arrives by then.
    if (signal !== null) await sleep(100);
    begun.push(...run.begun);
    if (signal === null) return { code, killed, workers, begun };
  }
}

await check('search-kill-postgres', goal, defaults, async (settings) => {
  if (findPostgres() === undefined) throw new Skipped('PostgreSQL is not installed');
  const { access, close } = await startPostgres();
  try {
    const { user, password, host, port, database } = access;
    const place = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
    const runs = await Promise.all([underFire(place, settings), underFire(place, settings)]);
    await sleep(3000);
    const study = await tune.study(tune.postgres(access));
    const { whole, figure } = tally(study, settings.trials);
    await study.close();
    const begun = runs.flatMap((run) => run.begun);
    const twice = begun.length - new Set(begun).size;
    const orphans = runs.flatMap((run) => [...run.workers]).filter(isAlive).length;
    const fine = runs.every(({ code, killed }) => code === 0 && killed === settings.kills);
    return {
      pass: fine && whole && twice === 0 && orphans === 0,
      figure:
        `${runs.map(({ killed }) => killed).join(' and ')} kills of two processes: ${figure}, ` +
        `${twice} begun twice, ${orphans} processes left`,
    };
  } finally {
    await close();
  }
});
