/** The main job on the embedded data, by the defaults of the command line. */
import { join } from 'node:path';
import { events, inTemporary, succeed, tenon } from './process.mjs';
import { check, percent } from './report.mjs';

await check('embedded', 'at least 98% in under 120 s', { epochs: 0 }, async ({ epochs }) =>
  inTemporary(async (directory) => {
    const args = ['train', '--dataset', 'glyphs', '--json', '--out', join(directory, 'run')];
    // 0: the default of the command line.
    if (epochs > 0) args.push('--epochs', epochs);
    const run = await succeed(tenon(...args));
    const all = events(run);
    const accuracy = all.at(-1).testAccuracy;
    return {
      pass: accuracy >= 0.98 && run.seconds < 120,
      figure: `${percent(accuracy)} in ${run.seconds.toFixed(1)} s`,
      details: { accuracy, seconds: run.seconds, events: all },
    };
  }),
);
