/** `tenon tune` on several ranks, with the built package; `npm test` makes it first. */
import { join } from 'node:path';
import { tune } from '../../lib';
import { Output } from '../../lib/cli/output';
import { LAUNCHERS, mpirun, why } from '../distributed/mpirun';
import { itBuilt, main, temporaryDirectory, tenon } from './support';

const dir = temporaryDirectory();
const settings = ['--search', 'lr=log(1e-4,0.1)', '--model', 'mlp', '--epochs', '1', '--batch-size', '512'];
const launcher = LAUNCHERS.find(({ program }) => program) ?? LAUNCHERS[0]!;
const withRanks = launcher.program ? itBuilt : it.skip;

interface Line extends Record<string, unknown> {
  readonly event: string;
}

describe('tenon tune --workers mpi', () => {
  withRanks(`shares trials out, and only rank 0 speaks${why(launcher)}`, async () => {
    const folder = join(dir, 'study');
    const command = [main, 'tune', '--json', '--workers', 'mpi', ...settings, '--out', folder];
    const { lines, code, err } = await mpirun(launcher, 2, [...command, '--trials', '4']);
    expect([code, err]).toEqual([0, '']);
    const events = lines as readonly Line[];
    expect(events.filter(({ event }) => event === 'start')).toMatchObject([{ workers: 2, trials: 4 }]);
    const numbers = events.filter(({ event }) => event === 'trial').map(({ number }) => number);
    expect(numbers.sort()).toEqual([0, 1, 2, 3]);
    expect(events.filter(({ event }) => event === 'done')).toMatchObject([{ trials: 4, complete: 4 }]);
    const study = await tune.study(folder);
    expect(new Set(study.trials.map(({ worker }) => worker)).size).toBe(2);
    await study.close();
    // What rank 0 refuses ends all ranks, and only rank 0 says why.
    const again = await mpirun(launcher, 2, command);
    expect(again.lines).toMatchObject([{ event: 'error', code: 'ERR_TENON_USAGE' }]);
    expect(again.code).toBe(2);
  });

  withRanks(`is asked for where a launcher started ranks${why(launcher)}`, async () => {
    const command = [main, 'tune', '--json', ...settings, '--out', join(dir, 'none')];
    const { lines, code } = await mpirun(launcher, 2, command);
    expect(lines[0]).toMatchObject({
      code: 'ERR_TENON_USAGE',
      message: expect.stringMatching(/started 2 ranks/),
    });
    expect(code).toBe(2);
  });

  it('needs a launcher', async () => {
    const { code, err } = await tenon('tune', '--workers', 'mpi', ...settings, '--out', join(dir, 'none'));
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/--workers mpi: no launcher started this process/),
    ]);
    const { err: bad } = await tenon('tune', '--workers', 'many', ...settings);
    expect(bad).toMatch(/--workers must be a positive integer/);
  });
});

describe('a muted output', () => {
  it('tells failures, and of which process', () => {
    let [out, err] = ['', ''];
    const streams = {
      stdout: { isTTY: true, write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
    };
    for (const json of [false, true]) {
      const output = new Output(streams, json);
      output.mute('rank 3');
      output.line('a');
      output.event('done', {});
      output.warning('b');
      expect(output.interactive).toBe(false);
      output.failure('CODE', 'c');
    }
    expect(out).toBe('{"event":"error","code":"CODE","message":"rank 3: c"}\n');
    expect(err).toBe('tenon: rank 3: c\n');
  });
});
