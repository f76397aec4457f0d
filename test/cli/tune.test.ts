/** `tenon tune` with its worker processes, which need the built package; `npm test` makes it first. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { tune } from '../../lib';
import { hasPostgres, startPostgres, why, type PostgresServer } from '../tune/study/postgres-server';
import { itBuilt, main, temporaryDirectory, tenon, type Result } from './support';

jest.setTimeout(300_000);

const dir = temporaryDirectory();
const images = join(dir, 'images');
const folder = join(dir, 'study');
const search = ['--search', 'lr=log(1e-4,0.1)', '--search', 'optimizer=sgd(momentum=uniform(0,0.9))|adam'];
const training = ['--data', images, '--model', 'mlp', '--epochs', '2', '--batch-size', '8'];

/** Two classes, dark and bright, of ten images each. */
beforeAll(async () => {
  for (const [name, base] of [
    ['dark', 30],
    ['bright', 160],
  ] as const) {
    mkdirSync(join(images, name), { recursive: true });
    for (let i = 0; i < 10; i++) {
      const bytes = Uint8Array.from({ length: 8 * 8 * 3 }, (_, j) => base + ((i * 37 + j * 11) % 60));
      await sharp(bytes, { raw: { width: 8, height: 8, channels: 3 } })
        .png()
        .toFile(join(images, name, `${i}.png`));
    }
  }
});

interface Line extends Record<string, unknown> {
  readonly event: string;
}

/** Runs the command in another process. `follow` sees each line of its output. */
async function run(
  args: readonly string[],
  follow: (line: Line, child: ChildProcess) => void = () => undefined,
): Promise<{ code: number | null; lines: Line[]; err: string }> {
  const child = spawn(process.execPath, [main, 'tune', '--json', ...args], { cwd: dir });
  const lines: Line[] = [];
  let err = '';
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()));
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    follow(line, child);
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, lines, err };
}

const trialsOf = (lines: readonly Line[]): Line[] => lines.filter(({ event }) => event === 'trial');
const made = (number: number, file: string): boolean =>
  existsSync(join(folder, 'trials', String(number).padStart(4, '0'), file));

describe('a study', () => {
  itBuilt('runs trials of tenon train, keeps the best model and says how to repeat it', async () => {
    const { code, lines, err } = await run([
      ...training,
      ...search,
      '--trials',
      '4',
      '--keep-best',
      '1',
      '--workers',
      '2',
      '--out',
      folder,
    ]);
    expect([code, err]).toEqual([0, '']);
    expect(lines[0]).toMatchObject({
      event: 'start',
      metric: 'validationAccuracy',
      direction: 'maximize',
      strategy: { name: 'tpe', seed: 0 },
      rules: [{ name: 'diverged' }],
      trials: 4,
      before: 0,
      workers: 2,
    });
    const trials = trialsOf(lines);
    expect(trials.map(({ number }) => number).sort()).toEqual([0, 1, 2, 3]);
    for (const { params, state, epochs } of trials) {
      const { lr, optimizer, ...rest } = params as Record<string, unknown>;
      expect(lr).toBeGreaterThanOrEqual(1e-4);
      expect(Object.keys(rest)).toEqual(optimizer === 'sgd' ? ['optimizer.sgd.momentum'] : []);
      expect([state, epochs]).toEqual(['complete', 2]);
    }
    const { best, ...counts } = lines.at(-1) as Line & { best: Record<string, unknown> };
    expect(counts).toEqual({ event: 'done', trials: 4, complete: 4, pruned: 0, failed: 0 });
    const values = trials.map(({ value }) => value as number);
    expect(best['value']).toBe(Math.max(...values));
    expect(best['model']).toBe(
      join(folder, 'trials', String(best['number']).padStart(4, '0'), 'model.safetensors'),
    );
    for (const number of [0, 1, 2, 3]) {
      expect(made(number, 'history.jsonl')).toBe(true);
      expect(made(number, 'model.safetensors')).toBe(number === best['number']);
      expect(made(number, 'checkpoints')).toBe(number === best['number']);
    }
    // The command trains the same network: the test of the best trial's own history.
    const again = join(dir, 'again');
    const args = (best['command'] as string).split(' ').slice(1);
    expect((await tenon(...args, '--out', again, '--json')).code).toBe(0);
    const model = readFileSync(best['model'] as string);
    expect(readFileSync(join(again, 'model.safetensors')).equals(model)).toBe(true);
  });

  itBuilt('is not begun twice, and goes on with --resume up to --trials', async () => {
    const twice: Result = await tenon('tune', ...training, ...search, '--out', folder);
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('continue with --resume')]);
    const other: Result = await tenon('tune', '--resume', folder, '--epochs', 3);
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringContaining('--epochs 3: the study was begun with 2'),
    ]);
    const { code, lines } = await run(['--resume', folder, '--trials', '5']);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ event: 'start', before: 4, trials: 5 });
    expect(trialsOf(lines).map(({ number }) => number)).toEqual([4]);
    expect((await run(['--resume', folder, '--trials', '5'])).lines.map(({ event }) => event)).toEqual([
      'start',
      'done',
    ]);
  });

  itBuilt('is what tenon train takes its settings from', async () => {
    const study = await tune.study(folder);
    const { number, params } = study.best as { number: number; params: Record<string, unknown> };
    await study.close();
    const out = join(dir, 'winner');
    const train = (...args: (string | number)[]): Promise<Result> =>
      tenon('train', '--out', out, '--json', ...args);
    const recipe = () => JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as Record<string, unknown>;
    const { code, lines } = await train('--from-study', folder, '--epochs', 3);
    expect(code).toBe(0);
    const taken = { fromStudy: folder, trial: number, lr: params['lr'], data: images, batchSize: 8 };
    expect(lines[0]).toMatchObject({ event: 'start', ...taken, epochs: 3 });
    // Images are held out as usual: the study's share was not asked for by name.
    expect(recipe()).toMatchObject({ ...taken, epochs: 3, validation: 0.05, finished: true });
    expect((await tenon('train', '--resume', out, '--epochs', 4, '--json')).code).toBe(0);
    expect(recipe()).toMatchObject({ ...taken, epochs: 4 });

    // What was given wins, and what contradicts it is left out.
    const sgd = study.trials.find((trial) => 'momentum' in (trial.params['optimizer'] as object));
    const { number: other = 0 } = sgd ?? {};
    const lion = await train('--from-study', folder, '--trial', other, '--optimizer', 'lion', '--lr', 0.001);
    expect(lion.code).toBe(0);
    expect(recipe()).toMatchObject({ trial: other, optimizer: 'lion', lr: 0.001, momentum: 0, epochs: 2 });

    for (const [args, message] of [
      [['--from-study', folder, '--trial', 99], '--trial 99: '],
      [['--from-study', join(dir, 'nothing')], 'nothing holds no study'],
      [['--trial', 1], '--trial belongs to --from-study'],
    ] as const)
      expect((await tenon('train', ...args)).err).toContain(message);
  });

  itBuilt('stops cleanly at SIGINT, and its trial continues from its checkpoint', async () => {
    let out = '';
    let ended: number | null = 0;
    // On a busy machine, all epochs may be over before the signal comes.
    for (let tries = 0; tries < 10 && ended === 0; tries++) {
      out = join(dir, `stopped-${tries}`);
      const long = [...training, '--search', 'lr=log(1e-4,0.1)', '--out', out, '--trials', '1'];
      const begun = run([...long, '--epochs', '100'], (line, child) => {
        const history = join(out, 'trials', '0000', 'history.jsonl');
        const look = (): void => {
          if (existsSync(history) && readFileSync(history).length > 0) child.kill('SIGINT');
          else setTimeout(look, 50);
        };
        if (line.event === 'start') look();
      });
      ended = (await begun).code;
    }
    expect(ended).toBe(130);
    const { code, lines } = await run(['--resume', out, '--trials', '1', '--extend', '--epochs', '110']);
    expect(code).toBe(0);
    expect(trialsOf(lines)).toMatchObject([{ number: 1, state: 'complete', epochs: 110 }]);
    const study = await tune.study(out);
    const [first, second] = study.trials;
    expect(second?.params).toEqual({ ...first?.params, epochs: 110 });
    expect(first?.reports.length).toBeGreaterThan(0);
    // Each epoch was trained once, and the history is whole.
    const steps = [first, second].flatMap((trial) => trial?.reports.map(({ step }) => step));
    expect(steps).toEqual(Array.from({ length: 110 }, (_, i) => i + 1));
    const history = readFileSync(join(out, 'trials', '0001', 'history.jsonl'), 'utf8');
    expect(history.trimEnd().split('\n')).toHaveLength(110);
    await study.close();
  });

  itBuilt('continues checkpoints where the strategy promotes trials', async () => {
    const out = join(dir, 'halving');
    const strategy = 'successive-halving(trials=3,maxResource=3,reductionFactor=3)';
    const { code, lines } = await run([
      ...training.filter((word) => word !== '--epochs' && word !== '2'),
      ...['--search', 'lr=log(1e-4,0.1)', '--strategy', strategy, '--schedule', 'constant', '--out', out],
      ...['--keep-best', '1'],
    ]);
    expect(code).toBe(0);
    expect(trialsOf(lines).map(({ epochs }) => epochs)).toEqual([1, 1, 1, 3]);
    const study = await tune.study(out);
    const promoted = study.trials[3]!;
    expect([0, 1, 2]).toContain(promoted.notes['tenon:continues']);
    expect(promoted.reports.map(({ step }) => step)).toEqual([2, 3]);
    const kept = study.trials.filter(({ number }) =>
      existsSync(join(out, 'trials', `000${number}`, 'checkpoints')),
    );
    expect(kept.map(({ number }) => number)).toEqual([study.best?.number]);
    await study.close();
  });
});

itBuilt('a page follows the search', async () => {
  let title: Promise<string> | undefined;
  const more = ['--search', 'lr=log(1e-4,0.1)', '--trials', '1', '--out', join(dir, 'followed')];
  const { code, lines } = await run([...training, ...more, '--dashboard', '0'], ({ event, dashboard }) => {
    if (event === 'start') title = fetch(dashboard as string).then((page) => page.text());
  });
  expect(code).toBe(0);
  expect(lines[0]?.['dashboard']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(await title).toContain('<html');
});

itBuilt('a trial that trains for longer than --trial-minutes fails', async () => {
  const short = [...training.slice(0, 4), '--epochs', '100000', '--trial-minutes', '0.03'];
  const more = ['--search', 'lr=log(1e-4,0.1)', '--trials', '1', '--out', join(dir, 'short')];
  const { lines } = await run([...short, ...more]);
  expect(trialsOf(lines)).toMatchObject([{ state: 'failed', reason: 'it ran for more than 0.03 minutes' }]);
});

describe(`a study in PostgreSQL${why}`, () => {
  const itServed = hasPostgres ? itBuilt : it.skip;
  let server: PostgresServer;
  beforeAll(async () => {
    if (hasPostgres) server = await startPostgres();
  }, 120_000);
  afterAll(() => server?.close());

  itServed('keeps its log in the database and its models in the folder', async () => {
    const { host, port, user, password, database } = server.access;
    const at = (secret: string): string => `postgres://${user}${secret}@${host}:${port}/${database}#search`;
    const url = at(`:${encodeURIComponent(password)}`);
    const out = join(dir, 'served');
    const own = ['--study', url, '--out', out];
    const begun = await run([...training, '--search', 'lr=log(1e-4,0.1)', '--trials', '1', ...own]);
    expect([begun.code, begun.lines.at(-1)]).toEqual([0, expect.objectContaining({ event: 'done' })]);
    expect(existsSync(join(out, 'study.log'))).toBe(false);
    expect(existsSync(join(out, 'trials', '0000', 'model.safetensors'))).toBe(true);
    const twice = await run([...training, '--search', 'lr=log(1e-4,0.1)', ...own]);
    expect(twice.lines.at(-1)?.['message']).toMatch(/holds a study: continue with --resume/);
    const resumed = await run(['--resume', '--trials', '2', ...own]);
    expect(trialsOf(resumed.lines).map(({ number }) => number)).toEqual([1]);
    // Nobody finds the password in the files of a run.
    const winner = join(dir, 'served-winner');
    const trained = await tenon('train', '--from-study', url, '--epochs', 1, '--out', winner, '--json');
    expect(trained.code).toBe(0);
    const recipe = JSON.parse(readFileSync(join(winner, 'run.json'), 'utf8')) as Record<string, unknown>;
    expect(recipe).toMatchObject({ fromStudy: at(''), batchSize: 8 });
  });
});

describe('ends with an error', () => {
  itBuilt('where the first trials all fail', async () => {
    const broken = join(dir, 'broken');
    for (const name of ['a', 'b']) {
      mkdirSync(join(broken, name), { recursive: true });
      writeFileSync(join(broken, name, '0.png'), 'no image');
    }
    const args = ['--data', broken, '--model', 'mlp', '--search', 'lr=log(1e-4,0.1)'];
    const { code, lines } = await run([...args, '--out', join(dir, 'failing'), '--trials', '9']);
    expect(code).toBe(1);
    expect(lines.map(({ event }) => event)).toEqual(['start', 'trial', 'trial', 'trial', 'error']);
    expect(lines.at(-1)?.['message']).toMatch(/^the first 3 trials failed: .*0\.png/);
  });

  test.each([
    [['--resume', 'missing'], 1, 'missing holds no study'],
    [
      ['--search', 'lr=log(1e-4,1)', '--strategy', 'tp'],
      2,
      'there is no strategy "tp" (did you mean "tpe"?)',
    ],
    [['--search', 'lr=log(1e-4,1)', '--strategy', 'tpe(sed=1)'], 2, '"sed" (did you mean "seed"?)'],
    [['--search', 'lr=log(1e-4,1)', '--strategy', 'tpe(3)'], 2, 'tpe takes its settings by name: seed'],
    [['--search', 'lr=log(1e-4,1)', '--strategy', 'grid'], 2, 'lr is real and has no step'],
    [['--search', 'lr=log(1e-4,1)', '--rules', 'median(warmup=-1)'], 2, 'warmup must be an integer'],
    [['--search', 'lr=log(1e-4,1)', '--rules', 'medan'], 2, 'no rule "medan" (did you mean "median"?)'],
    [['--search', 'lr=log(1e-4,1)', '--trials', '0'], 2, '--trials must be a positive integer'],
    [['--search', 'lr=log(1e-4,1)', '--extend'], 2, '--extend belongs to --resume'],
    [['--search', 'lr=log(1e-4,1)', '--metric', 'accuracy'], 2, '--metric must be one of'],
    [
      ['--search', 'lr=log(1e-4,1)', '--epochs', '3', '--strategy', 'hyperband'],
      2,
      '--epochs: hyperband decides how long a trial trains',
    ],
  ])('%j', async (args, code, message) => {
    const result = await tenon(
      'tune',
      ...args,
      ...(args.includes('--resume') ? [] : ['--out', join(dir, 'no')]),
    );
    expect(result.err).toContain(message);
    expect(result.code).toBe(code);
    expect(existsSync(join(dir, 'no', 'study.log'))).toBe(false);
  });
});
