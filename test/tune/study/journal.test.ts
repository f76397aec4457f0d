import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import fsPromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FormatError, IoError, OptionError, tune } from '../../../lib';
import { JournalLock } from '../../../lib/tune/study/journal-lock';
import { Replay } from '../../../lib/tune/study/replay';
import { flatValues } from '../../../lib/tune/space/space';

const fixtures = join(__dirname, '..', '..', 'fixtures');
const space = { x: tune.uniform(-1, 1), act: tune.choice(['relu', 'gelu', null]) };
const random = tune.random({ seed: 7 });

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-journal-'));
  path = join(folder, 'study.log');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function drain<T>(trials: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const trial of trials) all.push(trial);
  return all;
}

async function written(): Promise<void> {
  const study = await tune.study(folder, { space, strategy: random });
  await drain(study.run(({ x }) => x, { trials: 2 }));
  await study.close();
}

const good = '{"op_code":0,"worker_id":"w","study_name":"study","directions":[1]}\n';

test('a study stands in a folder and goes on from there', async () => {
  const deep = join(folder, 'deep', 'er');
  const study = await tune.study(deep, { space, strategy: random });
  const objective = async ({ x }: { readonly x: number }, trial: tune.Trial<object>): Promise<number> => {
    await trial.report(0, NaN);
    await trial.report(1, -Infinity);
    await trial.note('pair', { 'a b': [1, 'ü\n\u2028'] });
    return x;
  };
  await drain(study.run(objective, { trials: 3 }));
  await study.close();
  const again = await tune.study(deep);
  expect(again.trials).toEqual(study.trials);
  expect(again.trials[1]?.reports).toEqual([
    { step: 0, value: NaN },
    { step: 1, value: -Infinity },
  ]);
  expect(again.trials[1]?.attributes).toEqual({ pair: { 'a b': [1, 'ü\n\u2028'] } });
  expect(readdirSync(deep)).toEqual(['study.log']);
  await drain(again.run(({ x }) => Number(x), { trials: 2 }));
  const one = await tune.study(tune.memory(), { space, strategy: random });
  await drain(one.run(({ x }) => x, { trials: 5 }));
  expect(again.trials.map(({ point }) => point)).toEqual(one.trials.map(({ point }) => point));
});

interface OptunaTrial {
  readonly number: number;
  readonly state: 'COMPLETE' | 'PRUNED' | 'FAIL' | 'RUNNING' | 'WAITING';
  readonly values: readonly number[] | null;
  readonly params: object;
  readonly reports: readonly (readonly [number, number | string])[];
  readonly attributes: object;
  readonly notes: object;
}

const STATES = {
  COMPLETE: 'complete',
  PRUNED: 'pruned',
  FAIL: 'failed',
  RUNNING: 'running',
  WAITING: 'waiting',
};
const NUMBERS: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity };

test('a journal that Optuna wrote holds what Optuna reads in it', async () => {
  copyFileSync(join(fixtures, 'optuna_journal.jsonl'), path);
  const expected = JSON.parse(readFileSync(join(fixtures, 'optuna_journal.json'), 'utf8')) as {
    readonly best: number;
    readonly trials: readonly OptunaTrial[];
  };
  await expect(tune.study(folder)).rejects.toThrow(
    /holds several studies; name must be one of first, second/,
  );
  const options = { name: 'first', space: { lr: tune.logUniform(1e-4, 1) }, direction: 'maximize' } as const;
  const study = await tune.study(folder, options);
  expect(study.best?.number).toBe(expected.best);
  const seen = study.trials.map(({ number, state, values = null, reports, attributes, notes, ...trial }) => {
    const params = flatValues(trial.dimensions, trial.point);
    return { number, state, values, params, reports, attributes, notes };
  });
  expect(seen).toEqual(
    expected.trials.map(({ state, reports, ...trial }) => ({
      ...trial,
      state: STATES[state],
      reports: reports.map(([step, value]) => ({
        step,
        value: typeof value === 'string' ? NUMBERS[value] : value,
      })),
    })),
  );
  const waiting = seen.find(({ state }) => state === 'waiting');
  const [next] = await drain(study.run(({ lr }) => lr, { trials: 1 }));
  expect(next).toMatchObject({ number: waiting?.number, params: { lr: 0.2 }, value: 0.2 });
  const second = await tune.study(folder, {
    name: 'second',
    space: { x: tune.uniform(0, 1) },
    directions: ['minimize', 'maximize'],
  });
  expect(second.trials).toHaveLength(2);
});

test('a study of Optuna without a space has that of its trials, and is not written to by that', async () => {
  copyFileSync(join(fixtures, 'optuna_journal.jsonl'), path);
  const before = readFileSync(path);
  const study = await tune.study(folder, { name: 'first' });
  expect(study.space).toEqual({
    lr: tune.logUniform(1e-4, 1),
    drop: tune.uniform(0, 0.5, { step: 0.1 }),
    opt: tune.choice(['sgd', 'adam', null, true, 3]),
    width: tune.integer(1, 1024, { log: true }),
    n: tune.integer(1, 9, { step: 2 }),
  });
  expect(study.best?.params).toMatchObject({ lr: study.best?.point['lr'] });
  expect(readFileSync(path).equals(before)).toBe(true);
  const waiting = study.trials.filter(({ state }) => state === 'waiting').length;
  const trials = await drain(study.run(({ width }) => Number(width), { trials: waiting + 1 }));
  expect(trials.map(({ state }) => state)).toEqual(trials.map(() => 'complete'));
  expect(Object.keys(trials.at(-1)?.params ?? {})).toEqual(Object.keys(study.space));
  expect((await tune.study(folder, { name: 'first' })).trials).toEqual(study.trials);
  await expect(tune.study(folder, { name: 'first', direction: 'minimize' })).rejects.toThrow(
    /made to maximize/,
  );
});

test.each<[string, string, RegExp]>([
  ['without trials', '', /was not made here and has no trials, so it needs a space/],
  [
    'with a choice that comes twice',
    trialWith('["a","a"]', 1),
    /so it needs a space: .*p: the choice "a" comes twice/,
  ],
])('a study of Optuna %s needs a space', async (_, trials, message) => {
  writeFileSync(path, good + trials);
  const opened = tune.study(folder);
  await expect(opened).rejects.toThrow(OptionError);
  await expect(opened).rejects.toThrow(message);
});

const python = [process.env['TENON_PYTHON'], 'python3'].find((command) => {
  try {
    if (command) execFileSync(command, ['-c', 'import optuna'], { stdio: 'ignore' });
    return command !== undefined;
  } catch {
    return false;
  }
});
const withOptuna = python === undefined ? test.skip : test;
const why = python === undefined ? ' (skipped: no python with optuna; TENON_PYTHON names one)' : '';

const PRELUDE = `
import json, sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
`;

async function optuna(program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(String(python), ['-c', PRELUDE + program, path]);
  return JSON.parse(stdout);
}

withOptuna(
  `Optuna opens a journal of ours: the same trials, values and parameters${why}`,
  async () => {
    const conditional = tune.conditional({ a: { m: tune.integer(1, 9, { step: 2 }) }, b: {} });
    const study = await tune.study(folder, { space: { ...space, o: conditional }, direction: 'maximize' });
    await study.enqueue({ x: 0, o: { choice: 'a', m: 3 } });
    await drain(
      study.run(
        async ({ x }, trial) => {
          await trial.report(0, NaN);
          await trial.report(1, 5);
          await trial.note('half', x / 2);
          if (trial.number === 3) throw new Error('on purpose');
          return x;
        },
        { trials: 8 },
      ),
    );
    const seen = await optuna(`
print(json.dumps({
  "best": [study.best_trial.number, study.best_value, study.best_params],
  "space": study._storage.get_study_system_attrs(study._study_id)["tenon:space"],
  "trials": [[t.number, t.state.name, t.values, t.params, len(t.intermediate_values), t.user_attrs]
             for t in study.trials]}))`);
    const { best } = study;
    expect(seen).toEqual({
      best: [best?.number, best?.value, flatValues(best?.dimensions ?? [], best?.point ?? {})],
      space: study.space,
      trials: study.trials.map(({ number, state, values = null, point, dimensions, reports, attributes }) => [
        number,
        state === 'failed' ? 'FAIL' : state.toUpperCase(),
        values,
        flatValues(dimensions, point),
        reports.length,
        attributes,
      ]),
    });
  },
  60_000,
);

withOptuna(
  `Optuna and tenon write to one journal at the same time${why}`,
  async () => {
    const study = await tune.study(folder, { space, direction: 'maximize', strategy: random });
    const theirs = optuna(`
def objective(trial):
    trial.report(1.0, 0)
    return trial.suggest_float("x", -1, 1)
study.optimize(objective, n_trials=15)
print(json.dumps([t.number for t in study.trials if t.user_attrs == {}]))`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const own = await drain(
      study.run(
        async ({ x }, trial) => {
          await trial.report(0, 1);
          await new Promise((resolve) => setTimeout(resolve, 30));
          return x;
        },
        { trials: 15 },
      ),
    );
    await theirs;
    await study.sync();
    expect(study.trials.map(({ number, state }) => [number, state])).toEqual(
      Array.from({ length: 30 }, (_, number) => [number, 'complete']),
    );
    const mine = own[0]?.worker;
    expect(study.trials.filter(({ worker }) => worker === mine)).toEqual(own);
    expect(await optuna('print(json.dumps([t.value for t in study.trials]))')).toEqual(
      study.trials.map(({ value }) => value),
    );
  },
  120_000,
);

test('a torn last line does not count, and the next append cuts it off', async () => {
  await written();
  const whole = readFileSync(path);
  appendFileSync(path, '{"op_code":4,"worker_id":"x","study_id":0,"datetime_st');
  const study = await tune.study(folder);
  expect(study.trials).toHaveLength(2);
  await drain(study.run(({ x }) => Number(x), { trials: 1 }));
  const after = readFileSync(path);
  expect(after.subarray(0, whole.length).equals(whole)).toBe(true);
  expect(
    after
      .toString()
      .split('\n')
      .slice(0, -1)
      .every((line) => JSON.parse(line) !== null),
  ).toBe(true);
  expect((await tune.study(folder)).trials).toHaveLength(3);
});

test.each<[string, string | Buffer, RegExp]>([
  ['not JSON', 'hello\n', /line 1 is not JSON: expected a value at character 1/],
  ['a zero byte', `${good}\0\n`, /line 2 is not JSON/],
  ['an empty line', `${good}\n`, /line 2 is not JSON/],
  ['not UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), /line 1 is not JSON: .*utf-8/i],
  ['deep nesting', `${good}${'['.repeat(1e6)}\n`, /line 2 is not JSON: more than 100 lists/],
  ['a line without end', 'x'.repeat(5e6), /line 1 has more than 4194304 bytes/],
  ['a list', '[1]\n', /line 1 is not an operation of a study/],
  ['another version', '{"op_code":11,"worker_id":"w"}\n', /op_code 11, which is not one of 0 to 10/],
  ['no worker', '{"op_code":1,"study_id":0}\n', /worker_id of operation 1 is undefined/],
  ['a wrong type', `${good}{"op_code":4,"worker_id":"w","study_id":"0"}\n`, /study_id of operation 4 is "0"/],
  [
    'a wrong time',
    `${good}{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"now"}\n`,
    /line 2: datetime_start of operation 4 is "now"/,
  ],
  [
    'a trial id that is not a count',
    `${good}{"op_code":7,"worker_id":"w","trial_id":-1,"step":0,"intermediate_value":0}\n`,
    /trial_id of operation 7 is -1/,
  ],
  [
    'no direction',
    '{"op_code":0,"worker_id":"w","study_name":"study","directions":[0]}\n',
    /line 1: the study study does not say which way/,
  ],
  ['a choice that is not there', `${good}${trialWith('[1]', 7)}`, /line 2: the parameter p is 7/],
  ['nested choices', `${good}${trialWith('[[1]]', 0)}`, /line 2: a distribution whose choices are not/],
  [
    'a damaged space',
    `${good}{"op_code":3,"worker_id":"w","study_id":0,"system_attr":{"tenon:space":{"x":{"type":"uniform"}}}}\n`,
    /the study's record is damaged: its space: space.x: low must be a finite number/,
  ],
])('a hostile journal is refused: %s', async (_name, text, message) => {
  writeFileSync(path, text);
  const opened = tune.study(folder, { space });
  await expect(opened).rejects.toThrow(FormatError);
  await expect(opened).rejects.toThrow(message);
  expect(readFileSync(path).equals(Buffer.from(text))).toBe(true);
});

function trialWith(choices: string, index: number): string {
  const distribution = `{"name":"CategoricalDistribution","attributes":{"choices":${choices}}}`;
  const fields = { distributions: { p: distribution }, params: { p: index } };
  return `${JSON.stringify({ op_code: 4, worker_id: 'w', study_id: 0, datetime_start: null, ...fields })}\n`;
}

test('a journal that is too large is refused before it is read', async () => {
  writeFileSync(path, good);
  truncateSync(path, 2 ** 40);
  await expect(tune.study(folder, { space })).rejects.toThrow(/has 1099511627776 bytes, more than a journal/);
});

test('what is not a file is refused', async () => {
  mkdirSync(path);
  await expect(tune.study(folder, { space })).rejects.toMatchObject({ code: 'ERR_TENON_DATA' });
  await expect(tune.study(tune.journal(join(folder, 'no', 'where')), { space })).rejects.toThrow(IoError);
});

test('operations on trials that are not there or have ended do nothing, as in Optuna', () => {
  const replay = new Replay('log', 'study');
  const worker_id = 'w';
  const state = { op_code: 6, worker_id, values: [1] } as const;
  replay.apply([
    { op_code: 0, worker_id, study_name: 'study', directions: [1] },
    { op_code: 0, worker_id, study_name: 'study', directions: [2] },
    { op_code: 4, worker_id, study_id: 5, datetime_start: null },
    { op_code: 4, worker_id, study_id: 0, datetime_start: null },
    { ...state, trial_id: 1e15, state: 1 },
    { ...state, trial_id: 0, state: 1 },
    { ...state, trial_id: 0, state: 3 },
    { op_code: 7, worker_id, trial_id: 0, step: 0, intermediate_value: 0 },
    { op_code: 10, worker_id },
  ]);
  expect(replay.trials).toMatchObject([{ number: 0, state: 'complete', values: [1], reports: [] }]);
  expect(replay.directions).toEqual(['minimize']);
  replay.apply([{ op_code: 1, worker_id, study_id: 0 }]);
  expect([replay.id, replay.trials]).toEqual([undefined, []]);
});

test('a log of too many trials is refused', () => {
  const replay = new Replay('log', 'study');
  replay.apply([{ op_code: 0, worker_id: 'w', study_name: 'other', directions: [1] }]);
  const trial = { op_code: 4, worker_id: 'w', study_id: 0, datetime_start: null } as const;
  replay.apply(Array<typeof trial>(200_000).fill(trial));
  expect(() => {
    replay.apply([trial]);
  }).toThrow(/log, line 200002: it holds more than 200000 trials/);
});

test('reading leaves the event loop free', async () => {
  const line = '{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":[1,2,3,"text"]}}\n';
  writeFileSync(path, good + line.repeat(30_000));
  let turns = 0;
  const turn = setInterval(() => turns++, 0);
  const study = await tune.study(folder, { space });
  clearInterval(turn);
  expect(study.trials).toEqual([]);
  expect(turns).toBeGreaterThan(4);
});

test('the lock of a process that died is broken after the grace time', async () => {
  await written();
  symlinkSync('relative', `${path}.lock`);
  const start = performance.now();
  const study = await tune.study(tune.journal(path, { grace: 0.3 }));
  await study.enqueue({});
  expect(performance.now() - start).toBeGreaterThan(250);
  expect(study.trials).toHaveLength(3);
  expect(readdirSync(folder)).toEqual(['study.log']);
}, 30_000);

test('a lock that changes hands is not broken', async () => {
  writeFileSync(path, '');
  symlinkSync('a', `${path}.lock`);
  const GRACE = 800;
  const { lstat } = fsPromises;
  let [looks, now] = [0, 0];
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
  // After every other look, somebody else has the lock, and more than half of the grace time has passed.
  const looking = jest.spyOn(fsPromises, 'lstat').mockImplementation(async (file) => {
    const seen = await lstat(file);
    if (++looks % 2 === 0 && looks <= 20) {
      unlinkSync(`${path}.lock`);
      if (looks < 20) symlinkSync(`a${looks}`, `${path}.lock`);
      now += 0.6 * GRACE;
    }
    return seen;
  });
  try {
    await new JournalLock(path, GRACE).hold(() => {
      expect(looks).toBeGreaterThanOrEqual(20);
      expect(lstatSync(`${path}.lock`).isSymbolicLink()).toBe(true);
      return Promise.resolve();
    });
  } finally {
    looking.mockRestore();
    clock.mockRestore();
  }
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test('who waits asks seldom while one process holds the lock, and often while it changes hands', async () => {
  let asked = 0;
  const [MOST, SAME] = [40, 20];
  const refused = Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
  const spies = [
    jest
      .spyOn(fsPromises, 'symlink')
      .mockImplementation(() => (++asked > MOST ? Promise.resolve() : Promise.reject(refused))),
    jest.spyOn(fsPromises, 'lstat').mockImplementation(() => {
      const ino = asked > MOST ? -1 : Math.max(0, asked - SAME);
      return Promise.resolve({ ino, mtimeMs: 0, ctimeMs: 0 } as Stats);
    }),
    jest.spyOn(fsPromises, 'rename').mockResolvedValue(),
    jest.spyOn(fsPromises, 'unlink').mockResolvedValue(),
    jest.spyOn(Math, 'random').mockReturnValue(0.5),
  ];
  const sleeps: (number | undefined)[] = [];
  const soon = setTimeout;
  const timer = jest.spyOn(global, 'setTimeout').mockImplementation((done, milliseconds) => {
    sleeps.push(milliseconds);
    return soon(done, 0);
  });
  try {
    await new JournalLock(path).hold(() => Promise.resolve());
  } finally {
    for (const spy of [timer, ...spies]) spy.mockRestore();
  }
  const growing = [1, 2, 4, 8, 16, 32, 64, ...Array<number>(SAME - 7).fill(100)];
  expect(sleeps).toEqual([...growing, ...Array<number>(MOST - SAME).fill(1)]);
});

test('who slept while the lock was broken writes nothing, and leaves the lock of another alone', async () => {
  writeFileSync(path, '');
  const lock = new JournalLock(path);
  const holding = lock.hold(async (check) => {
    unlinkSync(`${path}.lock`);
    symlinkSync('other', `${path}.lock`);
    await check();
  });
  await expect(holding).rejects.toThrow(/another process broke the lock/);
  expect(lstatSync(`${path}.lock`).isSymbolicLink()).toBe(true);
});

test('where symbolic links are refused, the lock is a file', async () => {
  await written();
  const refused = jest
    .spyOn(fsPromises, 'symlink')
    .mockRejectedValue(Object.assign(new Error('EPERM'), { code: 'EPERM' }));
  try {
    let inside = 0;
    const locks = [1, 2, 3].map(() =>
      new JournalLock(path).hold(async (check) => {
        expect(++inside).toBe(1);
        expect(lstatSync(`${path}.lock`).isFile()).toBe(true);
        await check();
        inside -= 1;
      }),
    );
    await Promise.all(locks);
    expect(readdirSync(folder)).toEqual(['study.log']);
    writeFileSync(`${path}.lock`, ''); // a process died
    await new JournalLock(path, 300).hold((check) => check());
    expect(readdirSync(folder)).toEqual(['study.log']);
  } finally {
    refused.mockRestore();
  }
}, 30_000);

test('heartbeats are as old as the clock of the file system says', async () => {
  const home = tune.journal(path);
  expect(await home.heartbeats()).toEqual([]);
  await home.beat(3, 'worker');
  await home.beat(12, 'other');
  const beat = join(`${path}.heartbeats`, '3');
  const at = statSync(beat).mtimeMs / 1000;
  utimesSync(beat, at - 100, at - 100);
  writeFileSync(join(`${path}.heartbeats`, 'stranger'), '');
  const now = jest.spyOn(Date, 'now').mockReturnValue(0);
  const beats = [...(await home.heartbeats())].sort((a, b) => a.trial - b.trial);
  now.mockRestore();
  expect(beats).toMatchObject([
    { trial: 3, worker: 'worker' },
    { trial: 12, worker: 'other' },
  ]);
  expect(beats[0]?.age).toBeGreaterThan(99_000);
  expect(beats[0]?.age).toBeLessThan(160_000);
  expect(beats[1]?.age).toBeLessThan(60_000);
  await home.quiet(3);
  await home.quiet(3);
  expect((await home.heartbeats()).map(({ trial }) => trial)).toEqual([12]);
  expect(readdirSync(`${path}.heartbeats`).sort()).toEqual(['12', 'stranger']);
});
