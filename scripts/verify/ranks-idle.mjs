/** What ranks take of a core while they have nothing to do, of memory, and of the event loop's time. */
import { launchers, mpirun } from './mpirun.mjs';
import { childScript, lastLine, run } from './process.mjs';
import { check, megabytes, percent } from './report.mjs';

const goal =
  'a rank that waits takes less than 15% of a core; the event loop is less than 10 ms late in 99% of all looks';
const MOST_BUSY = 0.15;
const MOST_LATE = 10;

async function figures(program, args) {
  const result = await run(program, args, { env: { TENON_NUM_THREADS: '1' } });
  if (result.code !== 0) throw new Error(result.stderr.trim());
  return lastLine(result);
}

await check('ranks-idle', goal, { ranks: 2 }, async ({ ranks }) => {
  const script = [childScript('ranks-idle.mjs')];
  const [alone] = await figures(process.execPath, script);
  const rows = [];
  for (const launcher of launchers()) {
    const all = await figures(...mpirun(ranks, script, launcher));
    // The last rank is the one that the others wait for.
    const waiting = Math.max(...all.slice(0, -1).map((rank) => rank.waiting));
    const most = (name) => Math.max(...all.map((rank) => rank[name]));
    const delays = { trainDelay: most('trainDelay'), exchangeDelay: most('exchangeDelay') };
    rows.push({
      launcher: launcher.name,
      waiting,
      idle: most('idle'),
      resident: most('resident'),
      ...delays,
    });
    const { idle, resident, trainDelay, exchangeDelay } = rows.at(-1);
    console.log(
      `${launcher.name}: of a core ${percent(idle, 1)} idle, ${percent(waiting, 1)} waiting; ${megabytes(resident, 0)} a rank; ` +
        `p99 delay ${trainDelay.toFixed(1)} ms training, ${exchangeDelay.toFixed(1)} ms exchanging`,
    );
  }
  console.log(
    `one process: ${megabytes(alone.resident, 0)}, p99 delay ${alone.trainDelay.toFixed(1)} ms training`,
  );
  const most = (name) => Math.max(...rows.map((row) => row[name]));
  return {
    pass: rows.length > 0 && most('waiting') < MOST_BUSY && most('trainDelay') < MOST_LATE,
    figure: `at most ${percent(most('waiting'), 1)} of a core waiting, p99 delay ${most('trainDelay').toFixed(1)} ms in training, ${megabytes(most('resident'), 0)} a rank (${megabytes(alone.resident, 0)} alone)`,
    details: { alone, rows },
  };
});
