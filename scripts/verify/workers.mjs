/**
 * Threads and processes that go in the middle of a step: workers that loaded the addon before the main
 * thread, and process.exit().
 */
import { childScript, lastLine, runNode, succeed } from './process.mjs';
import { check } from './report.mjs';

const goal = 'workers exit mid-step 100 times, main trains the same bits; process.exit() mid-step under 1 s';

/** Milliseconds from the call of process.exit() to the end of the process. */
async function exitOnce(batch) {
  const { code, signal, lines, stderr, endedAt } = await runNode([childScript('exit.mjs'), String(batch)]);
  const { event, at } = JSON.parse(lines.at(-1) ?? '{}');
  if (code !== 3 || event !== 'exiting')
    throw new Error(
      `process.exit(3) mid-step: ended with ${signal ?? code}: ${stderr.trim().split('\n').at(-1)}`,
    );
  return endedAt - at;
}

await check('workers', goal, { workers: 100, exits: 20, batch: 128 }, async ({ workers, exits, batch }) => {
  const script = childScript('workers.mjs');
  const after = lastLine(await succeed([script, String(workers), String(batch)]));
  const alone = lastLine(await succeed([script, '0', String(batch)]));
  const times = [];
  for (let i = 0; i < exits; i++) times.push(await exitOnce(batch));
  const slowest = Math.max(...times);
  const same = after.digest === alone.digest;
  const trained = after.left === workers && after.lastLoss < after.firstLoss;
  return {
    pass: same && trained && slowest < 1000,
    figure: `${after.left} workers left mid-step, then main trained ${same ? 'the same' : 'other'} bits; exit in at most ${slowest} ms of ${exits}`,
    details: { after, alone, exitMs: times },
  };
});
