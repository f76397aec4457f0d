/**
 * Training and predictions side by side: throughput of both, latency of predictions, for several shares and
 * numbers of callers.
 */
import { childScript, events, succeed } from './process.mjs';
import { check, percent } from './report.mjs';

const goal =
  'training keeps 0.8 (1 - share) of its speed beside any number of callers, and every caller is answered';
const SHARES = [0, 0.25, 0.5, 0.75, 1];
const CALLERS = [0, 1, 8, 64];

/** Speed of training relative to itself without callers, at the same share. */
function kept(rows, { share, stepsPerSecond }) {
  return stepsPerSecond / rows.find((row) => row.share === share && row.callers === 0).stepsPerSecond;
}

function describe(rows, { share, callers, stepsPerSecond, predictionsPerSecond, p50, p99 }) {
  const training =
    share === 0
      ? 'no training'
      : `share ${share}: training at ${percent(kept(rows, { share, stepsPerSecond }), 0)}`;
  return `${training}, ${callers} callers ${predictionsPerSecond.toFixed(0)}/s, p50 ${p50?.toFixed(1)} ms, p99 ${p99?.toFixed(1)} ms`;
}

await check('serving', goal, { batch: 64, seconds: 10 }, async ({ batch, seconds }) => {
  const script = childScript('serving.mjs');
  const rows = events(
    await succeed([script, 'resnet20', String(batch), String(seconds), SHARES.join(), CALLERS.join()]),
  );
  const beside = rows.filter(({ callers }) => callers > 0);
  const bounded = beside.filter(({ share }) => share > 0 && share < 1);
  const slowest = Math.min(...bounded.map((row) => kept(rows, row) / (1 - row.share)));
  const answered = beside.every(({ predictionsPerSecond }) => predictionsPerSecond > 0);
  for (const row of beside) console.log(`  ${describe(rows, row)}`);
  return {
    pass: slowest >= 0.8 && answered,
    figure: `at least ${slowest.toFixed(2)} (1 - share) of training's speed; ${describe(
      rows,
      beside.find(({ share, callers }) => share === 0.5 && callers === 8),
    )}`,
    details: { rows: rows.map((row) => (row.share > 0 ? { ...row, kept: kept(rows, row) } : row)) },
  };
});
