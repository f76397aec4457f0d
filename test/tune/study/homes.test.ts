/** What every home of a log does, whatever it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tune } from '../../../lib';
import { hasPostgres, startPostgres, why, type PostgresServer } from './postgres-server';

const worker_id = 'w';
const note = (value: string): tune.Operation => ({
  op_code: 2,
  worker_id,
  study_id: 0,
  user_attr: { key: value },
});
const report = (step: number, intermediate_value: number): tune.Operation => ({
  op_code: 7,
  worker_id,
  trial_id: 0,
  step,
  intermediate_value,
});

let server: PostgresServer | undefined;
let folder: string;
let logs = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-homes-'));
  if (hasPostgres) server = await startPostgres();
}, 120_000);
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Open = () => tune.Home;
/** Makes an empty log. What it returns opens that, each time as another process would. */
const HOMES: Readonly<Record<string, () => Open>> = {
  memory: () => {
    const home = tune.memory();
    return () => home;
  },
  journal: () => {
    const path = join(folder, `${logs++}.log`);
    return () => tune.journal(path);
  },
  postgres: () => {
    if (server === undefined) throw new Error('it was not started');
    const options = { ...server.access, name: `log ${logs++}` };
    return () => tune.postgres(options);
  },
};
const names = Object.keys(HOMES);
const available = names.filter((name) => name !== 'postgres' || hasPostgres);
const missing = names.filter((name) => !available.includes(name));
if (missing.length > 0) test.skip.each(missing)(`%s${why}`, () => undefined);

describe.each(available)('%s', (kind) => {
  let open: Open;
  const opened: tune.Home[] = [];
  beforeEach(() => {
    const make = HOMES[kind]?.();
    open = () => {
      const home = make?.() as tune.Home;
      opened.push(home);
      return home;
    };
  });
  afterEach(async () => {
    for (const home of opened.splice(0)) await home.close();
  });

  async function all(home: tune.Home): Promise<readonly tune.Operation[]> {
    const operations: tune.Operation[] = [];
    for (;;) {
      const portion = await home.read(operations.length);
      if (portion.length === 0) return operations;
      operations.push(...portion);
    }
  }

  test('what is appended is read, from a number on, by others too', async () => {
    const [one, other] = [open(), open()];
    expect(await one.read(0)).toEqual([]);
    const odd = 'ü\n\u2028\0\ud800"\\😀';
    const first = [note(odd), report(0, NaN), report(1, -Infinity), report(2, -0)];
    expect(await one.append(0, () => first)).toEqual(first);
    expect(await other.read(0)).toEqual(first);
    expect(await other.read(3)).toEqual([first[3]]);
    expect(Object.is((await other.read(3)).map((r) => 'step' in r && r.intermediate_value)[0], -0)).toBe(
      true,
    );
    expect(await other.read(4)).toEqual([]);
    const seen: tune.Operation[] = [];
    const added = await other.append(2, (fresh) => {
      seen.push(...fresh);
      return [note('more')];
    });
    expect(seen).toEqual(first.slice(2));
    expect(added).toEqual([...first.slice(2), note('more')]);
    expect(await one.read(4)).toEqual([note('more')]);
    expect(await one.append(4, () => [])).toEqual([note('more')]);
  });

  test('a decision that throws appends nothing, and the next one does', async () => {
    const home = open();
    await home.append(0, () => [note('a')]);
    const failing = home.append(0, () => {
      throw new RangeError('no');
    });
    await expect(failing).rejects.toThrow(new RangeError('no'));
    await home.append(1, () => [note('b')]);
    expect(await home.read(0)).toEqual([note('a'), note('b')]);
  });

  test('one at a time appends, and sees what the others have', async () => {
    const homes = Array.from({ length: 4 }, () => open());
    // Each appends a number one above the last, which only exclusion keeps in order.
    const add = (home: tune.Home): Promise<unknown> =>
      home.append(0, (fresh) => [report(fresh.length, 0), report(fresh.length + 1, 0)]);
    await Promise.all(Array.from({ length: 40 }, (_, i) => add(homes[i % 4] as tune.Home)));
    const read = await all(open());
    expect(read.map((operation) => 'step' in operation && operation.step)).toEqual(
      Array.from({ length: 80 }, (_, i) => i),
    );
  }, 60_000);

  test('a decision sees all of a long log, which is read in portions', async () => {
    const [one, other] = [open(), open()];
    const many = Array.from({ length: 12_000 }, (_, i) => note(String(i)));
    await one.append(0, () => many);
    let seen = 0;
    await other.append(0, (fresh) => {
      seen = fresh.length;
      return [note('end')];
    });
    expect(seen).toBe(12_000);
    expect(await all(other)).toEqual([...many, note('end')]);
  }, 60_000);

  test('the last heartbeat of each trial, and its age', async () => {
    const [one, other] = [open(), open()];
    expect(await one.heartbeats()).toEqual([]);
    await one.beat(3, 'first');
    await one.beat(12, 'second');
    await new Promise((done) => setTimeout(done, 400));
    await other.beat(12, 'third');
    const now = jest.spyOn(Date, 'now').mockReturnValue(0);
    const beats = [...(await other.heartbeats())].sort((a, b) => a.trial - b.trial);
    now.mockRestore();
    expect(beats.map(({ trial, worker }) => [trial, worker])).toEqual([
      [3, 'first'],
      [12, 'third'],
    ]);
    const [old = 0, young = 0] = beats.map(({ age }) => age);
    expect(young).toBeGreaterThanOrEqual(0);
    expect(old - young).toBeGreaterThan(300);
    expect(old).toBeLessThan(60_000);
    await other.quiet(3);
    await other.quiet(3);
    expect((await one.heartbeats()).map(({ trial }) => trial)).toEqual([12]);
  });

  test('a home may be used after it was closed', async () => {
    const home = open();
    await home.append(0, () => [note('a')]);
    await home.close();
    await home.close();
    expect(await home.read(0)).toEqual([note('a')]);
  });

  test('a study stands there, and goes on', async () => {
    const space = { x: tune.uniform(-1, 1) };
    const settings = { space, strategy: tune.random({ seed: 7 }) };
    const study = await tune.study(open(), settings);
    for await (const { number } of study.run(({ x }) => x, { trials: 3 })) if (number === 2) break;
    const again = await tune.study(open());
    expect(again.trials).toEqual(study.trials);
    for await (const { number } of again.run(({ x }) => Number(x), { trials: 2 })) if (number === 4) break;
    const whole = await tune.study(tune.memory(), settings);
    for await (const { number } of whole.run(({ x }) => x, { trials: 5 })) if (number === 4) break;
    expect(again.trials.map(({ point }) => point)).toEqual(whole.trials.map(({ point }) => point));
  });

  test('of several that run trials, each takes its own', async () => {
    const space = { point: tune.integer(0, 39) };
    const settings = { space, strategy: tune.grid() };
    const studies = await Promise.all(Array.from({ length: 3 }, () => tune.study(open(), settings)));
    let everyoneRuns = (): void => undefined;
    const begun = new Promise<void>((done) => (everyoneRuns = done));
    const points = studies.map((): number[] => []);
    const search = async (study: (typeof studies)[number], own: number[]): Promise<void> => {
      // The first trials wait for each other: otherwise one study may run them all before another begins.
      const objective = async ({ point }: { readonly point: number }): Promise<number> => {
        own.push(point);
        if (points.every(({ length }) => length > 0)) everyoneRuns();
        await begun;
        return point;
      };
      for await (const { state } of study.run(objective)) expect(state).toBe('complete');
    };
    await Promise.all(studies.map((study, i) => search(study, points[i] as number[])));
    expect(points.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, point) => point));
    const last = await tune.study(open());
    expect(last.trials.map(({ state, value }) => [state, value])).toEqual(
      Array.from({ length: 40 }, (_, point) => ['complete', point]),
    );
  }, 120_000);
});
