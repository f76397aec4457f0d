/**
 * resnet20 on CIFAR-10 from JPEG files with precision fp32 and bf16, several seeds each: whether bf16 costs accuracy. The two runs of a
 * seed go side by side, each on half of the threads: results do not depend on the number of threads, and two runs waste less of two
 * cores than one. Finished runs are kept in runs/verify-bf16 until all are there, so that a check that was interrupted goes on with the
 * next runs.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { info } from 'tenon';
import { events, inTemporary, requireData, succeed, tenon } from './process.mjs';
import { check, commit, percent, root } from './report.mjs';

const kept = join(root, 'runs', 'verify-bf16');

async function train(precision, seed, epochs) {
  return inTemporary(async (directory) => {
    const data = ['--dataset', 'cifar10', '--data', requireData('cifar10')];
    const how = ['--model', 'resnet20', '--augment', 'flip,crop', '--epochs', epochs];
    const out = ['--json', '--out', join(directory, 'run')];
    const run = await succeed(
      tenon('train', ...data, ...how, '--precision', precision, '--seed', seed, ...out),
      { env: { TENON_NUM_THREADS: String(Math.max(1, info().threads >> 1)) } },
    );
    const all = events(run);
    const { testAccuracy } = all.at(-1);
    const { path } = info().bf16;
    return { precision, seed, testAccuracy, seconds: run.seconds, commit: commit(), path, events: all };
  });
}

/** The run of an earlier, interrupted check, or a new one. */
async function trainOnce(precision, seed, epochs) {
  const file = join(kept, `${precision}-seed${seed}-epochs${epochs}.json`);
  const found = existsSync(file);
  const run = found ? JSON.parse(readFileSync(file, 'utf8')) : await train(precision, seed, epochs);
  mkdirSync(kept, { recursive: true });
  writeFileSync(file, JSON.stringify(run));
  const when = found ? `from ${run.commit}` : `${run.seconds.toFixed(0)} s`;
  console.log(`${precision}, seed ${seed}: ${percent(run.testAccuracy)}, ${when}`);
  return run;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** "83.90% (83.71 to 84.05)" */
function spread(accuracies) {
  const [least, most] = [Math.min(...accuracies), Math.max(...accuracies)];
  return `${percent(mean(accuracies))} (${percent(least)} to ${percent(most)})`;
}

const goal = 'resnet20: mean test accuracies of fp32 and bf16 within 0.5 points of each other';

await check('bf16', goal, { epochs: 15, seeds: 3 }, async ({ epochs, seeds }) => {
  const runs = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const pair = ['fp32', 'bf16'].map((precision) => trainOnce(precision, seed, epochs));
    runs.push(...(await Promise.all(pair)));
  }
  const of = (precision) =>
    runs.filter((run) => run.precision === precision).map(({ testAccuracy }) => testAccuracy);
  const [fp32, bf16] = [of('fp32'), of('bf16')];
  const paths = [...new Set(runs.map(({ path }) => path))].join(', ');
  rmSync(kept, { recursive: true });
  return {
    pass: Math.abs(mean(fp32) - mean(bf16)) <= 0.005,
    figure: `fp32 ${spread(fp32)}, bf16 ${spread(bf16)}, ${seeds} seeds, path ${paths}`,
    details: { bf16: info().bf16, runs },
  };
});
