/**
 * resnet20 on CIFAR-10 from JPEG files with precision fp32 and bf16, several seeds each: whether bf16 costs
 * accuracy. `--recipe fast` trains what cifar10-fast.mjs does instead, with a wider margin. The two runs of a
 * seed go side by side, each on half of the threads: results do not depend on the number of threads, and two
 * runs waste less of two cores than one. Runs are kept in runs/verify-bf16 until all are finished, so that a
 * check that was interrupted goes on where it was.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { info } from 'tenon';
import { decodeCifar10 } from './decoded.mjs';
import { childScript, events, inTemporary, requireData, succeed, tenon } from './process.mjs';
import { check, commit, percent, root } from './report.mjs';

const kept = join(root, 'runs', 'verify-bf16');

const linesOf = (file) => readFileSync(file, 'utf8').trim().split('\n');

/** Begins a run in `folder`, or goes on with the one that is there. */
function command(folder, precision, seed, epochs) {
  if (existsSync(join(folder, 'run.json'))) return tenon('train', '--resume', folder, '--json');
  const data = ['--dataset', 'cifar10', '--data', requireData('cifar10')];
  const how = ['--model', 'resnet20', '--augment', 'flip,crop', '--epochs', epochs];
  return tenon('train', ...data, ...how, '--precision', precision, '--seed', seed, '--json', '--out', folder);
}

const env = () => ({ TENON_NUM_THREADS: String(Math.max(1, info().threads >> 1)) });

async function train(precision, seed, epochs) {
  const folder = join(kept, `${precision}-seed${seed}-epochs${epochs}`);
  const result = join(folder, 'result.json');
  if (existsSync(result)) return JSON.parse(readFileSync(result, 'utf8'));
  const run = await succeed(command(folder, precision, seed, epochs), { env: env() });
  const { testAccuracy } = events(run).at(-1);
  const { path } = info().bf16;
  const history = events({ lines: linesOf(join(folder, 'history.jsonl')) });
  const all = { precision, seed, testAccuracy, commit: commit(), path, history };
  writeFileSync(result, JSON.stringify(all));
  console.log(`${precision}, seed ${seed}: ${percent(testAccuracy)}`);
  return all;
}

async function trainFast(directory, precision, seed) {
  const args = [childScript('cifar10-fast.mjs'), directory, String(seed), precision];
  const testAccuracy = events(await succeed(args, { env: env() })).at(-1).accuracy;
  console.log(`${precision}, seed ${seed}: ${percent(testAccuracy)}`);
  return { precision, seed, testAccuracy };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** "83.90% (83.71 to 84.05)" */
function spread(accuracies) {
  const [least, most] = [Math.min(...accuracies), Math.max(...accuracies)];
  return `${percent(mean(accuracies))} (${percent(least)} to ${percent(most)})`;
}

/** The two runs of each seed, side by side. */
async function pairs(seeds, run) {
  const runs = [];
  for (let seed = 1; seed <= seeds; seed++)
    runs.push(...(await Promise.all(['fp32', 'bf16'].map((precision) => run(precision, seed)))));
  return runs;
}

const recipes = {
  resnet20: {
    most: 0.005,
    async runs({ seeds, epochs }) {
      const runs = await pairs(seeds, (precision, seed) => train(precision, seed, epochs));
      rmSync(kept, { recursive: true });
      return runs;
    },
  },
  fast: {
    most: 0.007,
    runs: ({ seeds }) =>
      inTemporary(async (directory) => {
        await decodeCifar10(directory);
        return pairs(seeds, (precision, seed) => trainFast(directory, precision, seed));
      }),
  },
};

const goal = 'mean test accuracies of fp32 and bf16 within 0.5 points of each other (resnet20) or 0.7 (fast)';

await check('bf16', goal, { recipe: 'resnet20', epochs: 15, seeds: 3 }, async (settings) => {
  const { most, runs: runAll } = recipes[settings.recipe];
  const runs = await runAll(settings);
  const of = (precision) =>
    runs.filter((run) => run.precision === precision).map(({ testAccuracy }) => testAccuracy);
  const [fp32, bf16] = [of('fp32'), of('bf16')];
  const { path } = info().bf16;
  return {
    pass: Math.abs(mean(fp32) - mean(bf16)) <= most,
    figure: `${settings.recipe} fp32 ${spread(fp32)}, bf16 ${spread(bf16)}, ${settings.seeds} seeds, path ${path}`,
    details: { bf16: info().bf16, runs },
  };
});
