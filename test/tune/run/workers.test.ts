/** Worker processes need the built package, which `npm test` makes first. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { info, type tune as Tune } from '../../../lib';
import { root, temporaryDirectory } from '../../cli/support';

const built = join(root, 'dist', 'index.js');
const itBuilt = existsSync(join(root, 'dist', 'tune', 'run', 'worker.js')) ? it : it.skip;
// eslint-disable-next-line @typescript-eslint/no-require-imports -- skipped where it is not built
const tune = (): typeof Tune => (require(built) as { readonly tune: typeof Tune }).tune;

const path = join(__dirname, 'children', 'objective.mjs');
const ACTS = ['stubborn', 'one', 'throw', 'nan', 'bad report', 'wait', 'die once', 'meet'] as const;
const space = () => ({ act: tune().choice(ACTS) });
const dir = temporaryDirectory();

async function open(name: string, ...acts: readonly (typeof ACTS)[number][]) {
  const study = await tune().study(join(dir, name), { space: space(), strategy: tune().random() });
  for (const act of acts) await study.enqueue({ act });
  return study;
}

async function drain<T>(trials: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const trial of trials) all.push(trial);
  return all;
}

itBuilt('outcomes of trials come from the worker, and it serves the next trial', async () => {
  const study = await open('outcomes', 'throw', 'nan', 'bad report', 'one');
  const trials = await drain(study.run(pathToFileURL(path), { trials: 4 }));
  expect(trials.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed', 'complete']);
  expect(trials.map(({ notes }) => notes['tenon:error'])).toEqual([
    'out of luck',
    'the objective returned NaN, not a finite number',
    'trial.report: step must be an integer of at least 0, got -1',
    undefined,
  ]);
  expect(trials[1]?.reports).toEqual([{ step: 1, value: NaN }]);
  const processes = trials.map(({ attributes }) => attributes['process']);
  expect(new Set(processes).size).toBe(1);
  await study.close();
});

itBuilt('two workers run two trials at once and divide the threads', async () => {
  const study = await open('two', 'meet', 'meet');
  const trials = await drain(study.run(path, { trials: 2, workers: 2 }));
  expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete']);
  const processes = trials.map(({ attributes }) => (attributes['process'] as string).split(' '));
  expect(new Set(processes.map(([pid]) => pid)).size).toBe(2);
  for (const [, threads] of processes)
    expect(Number(threads)).toBe(Math.max(1, Math.floor(info().threads / 2)));
  await study.close();
});

itBuilt('a killed worker fails its trial, whose point is tried again and finds its checkpoint', async () => {
  const study = await open('killed', 'die once');
  const trials = await drain(study.run(path, { trials: 1, retries: 1 }));
  expect(trials.map(({ number, state, value }) => [number, state, value])).toEqual([
    [0, 'failed', undefined],
    [1, 'complete', 7],
  ]);
  expect(trials[0]?.notes).toMatchObject({
    'tenon:lost': true,
    'tenon:error': 'its worker was ended by SIGKILL',
  });
  expect(trials[1]?.notes).toMatchObject({ 'tenon:retryOf': 0, 'tenon:retries': 1 });
  await study.close();
});

itBuilt('without retries it is failed, and the search goes on', async () => {
  const study = await open('failed', 'die once', 'one');
  const trials = await drain(study.run(path, { trials: 2 }));
  expect(trials.map(({ state }) => state)).toEqual(['failed', 'complete']);
  await study.close();
});

itBuilt('a signal ends running trials, whose points wait for the next run', async () => {
  const study = await open('aborted', 'wait', 'wait');
  const controller = new AbortController();
  const run = drain(study.run(path, { workers: 2, signal: controller.signal }));
  const refused = expect(run).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
  const began = () => study.trials.filter(({ attributes }) => attributes['process'] !== undefined);
  while (began().length < 2) await new Promise((done) => setTimeout(done, 10));
  controller.abort();
  await refused;
  expect(study.trials.map(({ state, params }) => [state, params.act])).toEqual([
    ['failed', 'wait'],
    ['failed', 'wait'],
    ['waiting', undefined],
    ['waiting', undefined],
  ]);
  expect(study.trials[2]?.notes['fixed_params']).toEqual({ act: 'wait' });
  await study.close();
});

itBuilt('a worker that does not end when its time is over is killed, and the next trial runs', async () => {
  const study = await open('overtime', 'stubborn', 'one');
  const trials = await drain(study.run(path, { trials: 2, trialMinutes: 1 / 60, retries: 5 }));
  expect(trials.map(({ state, notes }) => [state, notes['tenon:error'], notes['tenon:lost']])).toEqual([
    ['failed', `it ran for more than ${1 / 60} minutes`, undefined],
    ['complete', undefined, undefined],
  ]);
  expect(trials[0]?.attributes['asked']).toMatch(/^it ran for more than/);
  expect(study.trials).toHaveLength(2);
  await study.close();
});

itBuilt.each([
  ['waits', 'setInterval(() => 0, 1000); await new Promise(() => 0);'],
  ['computes', 'for (;;);'],
])('a module that %s for ever holds up neither a signal nor the end of the time', async (name, text) => {
  const study = await open(`endless-${name}`);
  const own = join(study.folder ?? '', 'objective.mjs');
  writeFileSync(own, `${text} export default () => 1;`);
  const signal = AbortSignal.timeout(1500);
  await expect(drain(study.run(own, { workers: 2, signal }))).rejects.toThrow(/was aborted/);
  expect(await drain(study.run(own, { minutes: 1 / 60 }))).toEqual([]);
  expect(study.trials).toEqual([]);
  await study.close();
});

itBuilt('leaving the loop ends the other trials', async () => {
  const study = await open('left', 'wait', 'one');
  for await (const trial of study.run(path, { workers: 2 })) {
    expect(trial.number).toBe(1);
    break;
  }
  expect(study.trials.map(({ state }) => state)).toEqual(['failed', 'complete', 'waiting']);
  await study.close();
});

itBuilt.each([
  ['missing', undefined, /does not exist/],
  ['without an objective', 'export const x = 1;', /its default export is not a function/],
  ['broken', 'throw new Error("no luck");', /cannot be used: no luck/],
  ['exits', 'process.exit(3);', /5 workers in a row ended before they were ready.*code 3/],
])('a module that is %s', async (name, text, message) => {
  const study = await open(`module-${name}`);
  const own = join(study.folder ?? '', 'objective.mjs');
  if (text !== undefined) writeFileSync(own, text);
  await expect(drain(study.run(own, { trials: 1 }))).rejects.toThrow(message);
  expect(study.trials).toEqual([]);
  await study.close();
});
