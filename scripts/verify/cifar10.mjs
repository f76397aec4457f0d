/**
 * resnet20 on CIFAR-10 from JPEG files in a tar, by the command line; and how late a timer of that
 * process is meanwhile.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { childScript, events, inTemporary, requireData, succeed, tenon } from './process.mjs';
import { check, percent } from './report.mjs';

const goal = 'resnet20, at least 80% within 15 epochs; a 5 ms timer under 10 ms late at p99';

await check('cifar10', goal, { epochs: 15 }, async ({ epochs }) =>
  inTemporary(async (directory) => {
    const file = join(directory, 'lateness.json');
    const data = ['--dataset', 'cifar10', '--data', requireData('cifar10')];
    const how = ['--model', 'resnet20', '--augment', 'flip,crop', '--epochs', epochs];
    const command = tenon('train', ...data, ...how, '--json', '--out', join(directory, 'run'));
    const run = await succeed(['--require', childScript('lateness.js'), ...command], {
      env: { TENON_LATENESS_FILE: file },
    });
    const all = events(run);
    const accuracy = all.at(-1).testAccuracy;
    const lateness = JSON.parse(readFileSync(file, 'utf8'));
    const late = lateness.ticks.p99;
    return {
      pass: accuracy >= 0.8 && epochs <= 15 && late < 10,
      figure: `${percent(accuracy)} after ${epochs} epochs, ${(run.seconds / 60).toFixed(1)} min; p99 ${late.toFixed(2)} ms late`,
      details: { accuracy, seconds: run.seconds, lateness, events: all },
    };
  }),
);
