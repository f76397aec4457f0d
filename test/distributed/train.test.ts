import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectories } from '../train/helpers';
import { LAUNCHERS, mpirun, why, type Launcher, type Outcome } from './mpirun';
import { CASES, train } from './children/train';

const directory = temporaryDirectories();

const ENV = { TENON_NUM_THREADS: '1' };

/** Cases of children/train.ts, one after the other, on so many ranks. */
function training(launcher: Launcher, ranks: number, ...cases: string[]): Promise<Outcome> {
  const register = join(__dirname, '..', 'native', 'children', 'register.js');
  return mpirun(launcher, ranks, ['-r', register, join(__dirname, 'children', 'train.ts'), ...cases], ENV);
}

interface Line {
  readonly name: string;
  readonly rank: number;
  readonly result: unknown;
}

/** What each rank said of a case, in the order of ranks. */
function resultsOf({ lines, err }: Outcome, name: string): unknown[] {
  const found = (lines as readonly Line[]).filter((line) => line.name === name);
  if (found.length === 0) throw new Error(err);
  return [...found].sort((a, b) => a.rank - b.rank).map(({ result }) => result);
}

describe.each(LAUNCHERS)('training with $name', (launcher) => {
  const withLauncher = launcher.program ? it : it.skip;
  const note = why(launcher);
  // Three ranks of four shards have one, one and two of them. Whatever carries the bytes, sums are ours: the
  // other launcher and the other numbers of ranks need not try everything.
  const some = ['plain', 'accumulated', 'synced'];
  const jobs: readonly [ranks: number, names: readonly string[]][] =
    launcher.name === 'MPICH'
      ? [[2, ['plain', 'synced']]]
      : [
          [2, some],
          [3, Object.keys(CASES)],
          [4, some],
        ];

  withLauncher(`has the bits of one process on any number of ranks${note}`, async () => {
    const alone = new Map<string, unknown>();
    for (const [size, names] of jobs) {
      const outcome = await training(launcher, size, ...names);
      for (const name of names) if (!alone.has(name)) alone.set(name, await train(CASES[name]!, {}));
      for (const name of names) expect(resultsOf(outcome, name)).toEqual(Array(size).fill(alone.get(name)));
      expect(outcome.code).toBe(0);
    }
  });
});

describe('training in a world', () => {
  const openMpi = LAUNCHERS[0]!;
  const withLauncher = openMpi.program ? it : it.skip;

  withLauncher('is resumed on other numbers of ranks', async () => {
    const saved = directory();
    const { digest } = await train(CASES.synced!, {});
    const [first, ...others] = resultsOf(await training(openMpi, 4, `save=${saved}`), `save=${saved}`);
    expect(others).toEqual([first, first, first]);
    for (const ranks of [1, 2, 3]) {
      const place = join(directory(), 'copy');
      cpSync(saved, place, { recursive: true });
      const outcome = await training(openMpi, ranks, `resume=${place}`);
      expect(resultsOf(outcome, `resume=${place}`)).toEqual(Array(ranks).fill(digest));
    }
  });

  withLauncher('ends on all ranks after the same step, and refuses what would part them', async () => {
    const outcome = await training(openMpi, 2, 'disagree', 'stop', 'overflow', 'rules');
    const option = (message: unknown): object => ({ code: 'ERR_TENON_OPTION', message });
    const [lr, size, synced] = ["the optimizer's lr", 'batchSize', 'syncBatchNorm'].map(
      (name) => (one: string, other: string) => {
        return option(
          `fit: the ranks disagree on ${name}: rank 1 (host) has ${one}, rank 0 (host) has ${other}`,
        );
      },
    );
    const failed = (message: unknown): object => ({ code: 'ERR_TENON_DISTRIBUTED', message });
    const differs = "load: '6.weight' is [10, 196], the model expects [11, 196]; ";
    const other = (what: string): object =>
      option(
        `fit: the ranks train different networks, or by different losses: rank 1 (host) computes ${what}`,
      );
    const missing = 'resume: directory /nowhere does not exist';
    const [first, second] = resultsOf(outcome, 'disagree') as [object[], object[]];
    expect(first).toEqual([
      size!('16', '32'),
      lr!('0.1', '0.2'),
      failed(expect.stringContaining(`fit: rank 1 (host) failed: ${differs}`)),
      other('cross_entropy with other settings than rank 0 (host)'),
      other('log_softmax, where rank 0 (host) computes cross_entropy'),
      { code: 'ERR_TENON_DATA', message: missing },
      synced!('true', 'false'),
    ]);
    expect(second).toEqual([
      ...first.slice(0, 2),
      { code: 'ERR_TENON_SHAPE', message: expect.stringContaining(differs) },
      ...first.slice(3, 5),
      failed(`fit: rank 0 (host) failed: ${missing}`),
      first[6],
    ]);

    const aborted = (message: string): object => ({ code: 'ERR_TENON_ABORTED', message });
    const [one, two] = resultsOf(outcome, 'stop') as [unknown[], unknown[]];
    expect(one.slice(0, 3)).toEqual([
      'enough',
      aborted('fit: aborted by rank 1 (host) after step 3'),
      'timeLimit',
    ]);
    expect(two).toEqual([one[0], aborted('fit: aborted after step 3'), ...one.slice(2)]);

    const overflow = {
      code: 'ERR_TENON_NONFINITE',
      message: expect.stringContaining("came from batch_norm_train '1' in the forward pass"),
    };
    expect(resultsOf(outcome, 'overflow')).toEqual([overflow, overflow]);

    const busy = { code: 'ERR_TENON_BUSY', message: expect.stringMatching(/is using this world/) };
    const rules = [
      ...[busy, busy, busy, { code: 'none' }],
      option('Trainer: shards must be at least 2, the size of the world, got 1'),
      option(expect.stringMatching(/^Trainer: world must be what distributed\.join\(\) resolves with, got/)),
      { code: 'none' },
      { code: 'ERR_TENON_DISPOSED', message: 'fit: this process has left its world' },
    ];
    expect(resultsOf(outcome, 'rules')).toEqual([rules, rules]);
    expect(outcome.code).toBe(0);
  });

  // Where batch norm sees all shards, a rank waits in the middle of a pass.
  const passes = [
    ['between passes', ''],
    ['in a pass', '=synced'],
  ];

  withLauncher.each(passes)('ends on all ranks when one hangs: the others wait %s', async (_, how) => {
    const outcome = await training(openMpi, 2, `hangs${how}`);
    expect(resultsOf(outcome, `hangs${how}`)).toEqual([
      {
        code: 'ERR_TENON_DISTRIBUTED',
        message: expect.stringMatching(/rank 1 .* has not answered for 5 s: its process hangs/),
      },
    ]);
    expect(outcome.code).not.toBe(0);
    expect(outcome.seconds).toBeLessThan(60);
  });

  withLauncher.each(passes)('ends on all ranks when one fails: the others wait %s', async (_, how) => {
    const outcome = await training(openMpi, 2, `throws${how}`);
    expect(resultsOf(outcome, `throws${how}`)).toEqual([
      {
        code: 'ERR_TENON_DISTRIBUTED',
        message: expect.stringMatching(/rank 1 .* will not come to it: its program failed/),
      },
    ]);
    expect(outcome.code).not.toBe(0);
    expect(outcome.seconds).toBeLessThan(30);
  });
});
