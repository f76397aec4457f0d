/** lenet on the real MNIST, by the command line. */
import { join } from 'node:path';
import { events, inTemporary, requireData, succeed, tenon } from './process.mjs';
import { check, percent } from './report.mjs';

await check('mnist', 'lenet, at least 99.0% within 5 epochs', { epochs: 5 }, async ({ epochs }) =>
  inTemporary(async (directory) => {
    const data = ['--dataset', 'mnist', '--data', requireData('mnist')];
    const rest = ['--model', 'lenet', '--epochs', epochs, '--json', '--out', join(directory, 'run')];
    const run = await succeed(tenon('train', ...data, ...rest));
    const all = events(run);
    const accuracy = all.at(-1).testAccuracy;
    return {
      pass: accuracy >= 0.99 && epochs <= 5,
      figure: `${percent(accuracy)} after ${epochs} epochs, ${run.seconds.toFixed(0)} s`,
      details: { accuracy, seconds: run.seconds, events: all },
    };
  }),
);
