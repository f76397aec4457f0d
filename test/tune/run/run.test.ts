import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError, tune, type History } from '../../../lib';
import type { Home, Rule, Strategy } from '../../../lib/tune';
import { temporaryDirectory } from '../../cli/support';
import { smallNet, smallTrainer, someGlyphs } from '../../train/helpers';

const space = { point: tune.integer(0, 2) };
const dir = temporaryDirectory();

async function drain<T>(trials: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const trial of trials) all.push(trial);
  return all;
}

/**
 * With a clock that only timers move: however busy the machine is, the same ones are due at the same time.
 */
async function withoutWaiting<T>(work: () => Promise<T>): Promise<T> {
  jest.useFakeTimers({
    doNotFake: ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'],
  });
  try {
    const done = work();
    let pending = true;
    const settle = (): void => void (pending = false);
    done.then(settle, settle);
    while (pending) await jest.advanceTimersByTimeAsync(10);
    return await done;
  } finally {
    jest.useRealTimers();
  }
}

test('a trial whose process died unheard is tried again after the grace time, by one of two', async () => {
  const home = tune.memory();
  const dead = await tune.study(home, { space, strategy: tune.grid() });
  await dead.take();
  const [one, two] = [await tune.study(home), await tune.study(home)];
  const options = { retries: 1, grace: 0.3 };
  const run = (study: typeof one) => drain(study.run(({ point }) => Number(point), options));
  const trials = (await withoutWaiting(() => Promise.all([one, two].map(run)))).flat();
  await one.sync();
  expect(trials.map(({ value }) => value).sort()).toEqual([0, 1, 2]);
  expect(one.trials.filter(({ state }) => state === 'failed').map(({ number }) => number)).toEqual([0]);
  expect(one.trials[0]?.notes['tenon:error']).toBe('its worker was not heard of for 0.3 seconds');
  expect(one.trials.filter(({ notes }) => notes['tenon:retryOf'] === 0).length).toBe(1);
});

test('total counts the trials of the study, whoever runs them, and a point that is tried again once', async () => {
  const home = tune.memory();
  const search = { space, strategy: tune.random() };
  const dead = await tune.study(home, search);
  await dead.take();
  const options = { total: 12, retries: 1, grace: 0.3 };
  await withoutWaiting(() => drain(dead.run(() => 1, { ...options, total: 2 })));
  expect(dead.trials.map(({ state }) => state).sort()).toEqual(['complete', 'complete', 'failed']);
  const [one, two] = [await tune.study(home), await tune.study(home)];
  const slow = async () => new Promise<number>((done) => setTimeout(() => done(2), 5));
  await withoutWaiting(() => Promise.all([one, two].map((study) => drain(study.run(slow, options)))));
  await one.sync();
  const states = one.trials.map(({ state }) => state);
  expect(states.filter((state) => state === 'complete')).toHaveLength(12);
  expect(states.filter((state) => state === 'failed')).toHaveLength(1);
  await drain(one.run(slow, options));
  expect(one.trials).toHaveLength(13);
  await expect(drain(one.run(slow, { total: 0 }))).rejects.toThrow('total must be a positive integer');
});

test('a trial that beats is left alone', async () => {
  const home = tune.memory();
  const [slow, other] = [await tune.study(home, { space, strategy: tune.grid() }), await tune.study(home)];
  const options = { retries: 1, grace: 0.4 };
  const long = async (): Promise<number> => new Promise((done) => setTimeout(() => done(5), 1500));
  const [first] = await withoutWaiting(() =>
    Promise.all([drain(slow.run(long, { ...options, trials: 1 })), drain(other.run(() => 1, options))]),
  );
  expect(first.map(({ state, value }) => [state, value])).toEqual([['complete', 5]]);
  await other.sync();
  expect(other.trials.map(({ state }) => state)).toEqual(['complete', 'complete', 'complete']);
});

test('a trial that was ended elsewhere sees its signal abort', async () => {
  const home = tune.memory();
  const [one, two] = [await tune.study(home, { space }), await tune.study(home)];
  const waits = async (_: unknown, { number, signal }: { number: number; signal: AbortSignal }) => {
    await two.sync();
    await two.lose(number, { error: 'somebody thought so', retries: 0 });
    await new Promise((done) => signal.addEventListener('abort', done));
    return 1;
  };
  const trials = await drain(one.run(waits, { trials: 1, grace: 0.4 }));
  expect(trials.map(({ state, notes }) => [state, notes['tenon:error']])).toEqual([
    ['failed', 'somebody thought so'],
  ]);
});

test('after the time no trial begins, and the running one is finished', async () => {
  const study = await tune.study(tune.memory(), { space, strategy: tune.random() });
  const slow = async (): Promise<number> => new Promise((done) => setTimeout(() => done(1), 100));
  const trials = await withoutWaiting(() => drain(study.run(slow, { minutes: 0.25 / 60 })));
  expect(trials).toHaveLength(3);
  expect(study.trials.map(({ state }) => state)).toEqual(trials.map(() => 'complete'));
});

test('a trial that runs for too long is asked to end, and fails with that reason unless it has a value', async () => {
  const study = await tune.study(tune.memory(), { space, strategy: tune.grid() });
  const reasons: unknown[] = [];
  const late: tune.Objective<unknown> = async (_, { number, signal }) => {
    if (number === 2) return 2;
    await new Promise((done) => signal.addEventListener('abort', done));
    reasons.push(signal.reason);
    if (number === 0) throw new Error('as asked');
    return 1;
  };
  const trials = await drain(study.run(late, { trialMinutes: 0.1 / 60, retries: 5 }));
  expect(trials.map(({ state, notes }) => [state, notes['tenon:error']])).toEqual([
    ['failed', `it ran for more than ${0.1 / 60} minutes`],
    ['complete', undefined],
    ['complete', undefined],
  ]);
  expect(reasons).toMatchObject([{ code: 'ERR_TENON_ABORTED' }, { code: 'ERR_TENON_ABORTED' }]);
  expect(study.trials).toHaveLength(3);
});

test('a search that is stopped does not use up the retries of a point', async () => {
  const home = tune.memory();
  const study = await tune.study(home, { space, strategy: tune.grid() });
  for (let stops = 0; stops < 3; stops++) {
    const controller = new AbortController();
    const stopped: tune.Objective<unknown> = () => {
      controller.abort();
      throw new Error('stopped');
    };
    await expect(drain(study.run(stopped, { signal: controller.signal }))).rejects.toThrow(/aborted/);
  }
  expect(study.trials.map(({ state, notes }) => [state, notes['tenon:retries']])).toEqual([
    ['failed', undefined],
    ['failed', 0],
    ['failed', 0],
    ['waiting', 0],
  ]);
  const taken = await study.take();
  expect(taken).toMatchObject({ number: 3, params: { point: 0 } });
  await study.lose(3, { error: 'its worker died', retries: 1 });
  expect(study.trials[4]?.notes).toMatchObject({ 'tenon:retries': 1, 'tenon:retryOf': 3 });
  await study.take();
  await study.lose(4, { error: 'its worker died', retries: 1 });
  expect(study.trials).toHaveLength(5);
});

test('a promoted trial that was stopped before its first checkpoint goes on from the one it continues', async () => {
  const strategy = tune.successiveHalving({ maxResource: 3, trials: 3 });
  const study = await tune.study(join(dir, 'promoted'), { space, strategy });
  const controller = new AbortController();
  const objective: tune.Objective<unknown> = (_, { number, budget, folder = '' }) => {
    if (budget !== 1) {
      controller.abort();
      throw new Error('stopped');
    }
    writeFileSync(join(folder, 'checkpoint'), '');
    return number;
  };
  const run = study.run(objective, { signal: controller.signal });
  await expect(drain(run)).rejects.toThrow(/aborted/);
  expect(existsSync(join(study.folder ?? '', 'trials', '0003'))).toBe(true);
  const again: tune.Objective<unknown> = (_, { continues = '' }) => Number(continues.slice(-4));
  const [retried] = await drain(study.run(again));
  expect(retried?.notes).toMatchObject({ 'tenon:retryOf': 3, 'tenon:continues': 0 });
  expect(retried).toMatchObject({ state: 'complete', value: 0 });
});

test('each trial has a folder, made when it is asked for', async () => {
  const study = await tune.study(join(dir, 'folders'), { space, strategy: tune.grid() });
  const folders: (string | undefined)[] = [];
  await drain(study.run((_, trial) => (trial.number > 0 ? folders.push(trial.folder) : 0)));
  const folder = (name: string): string => join(study.folder ?? '', 'trials', name);
  expect(folders).toEqual([folder('0001'), folder('0002')]);
  expect(['0000', '0001'].map((name) => existsSync(folder(name)))).toEqual([false, true]);
  await study.close();
  const inMemory = await tune.study(tune.memory(), { space });
  await drain(inMemory.run((_, trial) => (expect(trial.folder).toBeUndefined(), 1), { trials: 1 }));
  const apart = await tune.study(tune.memory(), { space, folder: join(dir, 'apart') });
  const [only] = await drain(
    apart.run(async (_, trial) => (await trial.note('in', trial.folder ?? ''), 1), { trials: 1 }),
  );
  expect(only?.attributes['in']).toBe(join(dir, 'apart', 'trials', '0000'));
  await expect(tune.study(join(dir, 'one'), { space, folder: 'two' })).rejects.toThrow(
    /folder belongs to a home/,
  );
});

describe('trial.callback', () => {
  const afterTwo: Rule = {
    name: 'afterTwo',
    settings: {},
    stops: ({ trial }) => (trial.reports.length === 2 ? 'two are enough' : undefined),
  };

  test('reports each epoch, and a rule ends the fit, after which the trial is pruned', async () => {
    const study = await tune.study(tune.memory(), { space, rules: [afterTwo] });
    let history: History | undefined;
    const fit: tune.Objective<unknown> = async (_, trial) => {
      const callbacks = [trial.callback({ metric: 'trainLoss' })];
      history = await smallTrainer(smallNet()).fit(await someGlyphs(), { epochs: 5, callbacks });
      return 1;
    };
    const [trial] = await drain(study.run(fit, { trials: 1 }));
    expect(history?.stopped).toBe('two are enough');
    expect(trial?.reports).toEqual(
      history?.epochs.map(({ epoch, trainLoss }) => ({ step: epoch, value: trainLoss })),
    );
    expect([trial?.state, trial?.notes['tenon:reason']]).toEqual(['pruned', 'two are enough']);
  });

  test('a figure that no epoch has fails the trial, and so does a search that is stopped', async () => {
    const study = await tune.study(tune.memory(), { space });
    const controller = new AbortController();
    const fit: tune.Objective<unknown> = async (_, trial) => {
      if (trial.number === 1) controller.abort();
      const callbacks = [trial.callback({ metric: trial.number === 0 ? 'cost' : 'trainLoss' })];
      await smallTrainer(smallNet()).fit(await someGlyphs(), { epochs: 5, callbacks });
      return 1;
    };
    const run = study.run(fit, { signal: controller.signal });
    await expect(drain(run)).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
    expect(study.trials.map(({ state, notes }) => [state, notes['tenon:error']])).toEqual([
      ['failed', 'trial.callback: epoch 1 has no cost'],
      ['failed', 'the search was stopped'],
      ['waiting', undefined],
    ]);
  });
});

test.each<[string, tune.RunOptions & { readonly worker?: number }, RegExp]>([
  ['a function in workers', { workers: 2 }, /pass the path of a module/],
  ['no workers', { workers: 0 }, /workers must be a positive integer/],
  ['too many workers', { workers: 5000 }, /at most 1024/],
  ['minutes', { minutes: -1 }, /minutes must be/],
  ['minutes of a trial', { trialMinutes: 0 }, /trialMinutes must be/],
  ['more minutes of a trial than a timer has', { trialMinutes: 1e5 }, /at most 35000/],
  ['retries', { retries: -1 }, /retries must be/],
  ['grace', { grace: 0 }, /grace must be/],
  ['a misspelt option', { worker: 2 }, /workers/],
])('refused: %s', async (_name, options, message) => {
  const study = await tune.study(tune.memory(), { space });
  const refused = drain(study.run(() => 1, options));
  await expect(refused).rejects.toThrow(OptionError);
  await expect(drain(study.run(() => 1, options))).rejects.toThrow(message);
});

test('with one worker, a trial is recorded before the next one is suggested, however slow the log is', async () => {
  const home = tune.memory();
  const slow = Object.create(home) as Home;
  slow.append = async (from, decide) => {
    await new Promise((done) => setTimeout(done, 300));
    return home.append(from, decide);
  };
  const grid = tune.grid();
  const seen: string[] = [];
  const suggest: Strategy['suggest'] = (state) => {
    seen.push(state.trials.map((trial) => trial.state).join());
    return grid.suggest(state);
  };
  const study = await tune.study(slow, { space, strategy: { ...grid, suggest } });
  await withoutWaiting(() => drain(study.run(({ point }) => point, { trials: 3 })));
  expect([...new Set(seen)]).toEqual(['', 'complete', 'complete,complete']);
});
