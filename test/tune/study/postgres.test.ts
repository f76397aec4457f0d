/** What only a home in PostgreSQL does: faults of the connection, tables of others. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { Client } from 'pg';
import { tune, type TenonError } from '../../../lib';
import { LARGEST_LOG } from '../../../lib/tune/study/limits';
import type * as postgresModule from '../../../lib/tune/study/postgres';
import { root } from '../../cli/support';
import { hasPostgres, startPostgres, why, type PostgresServer } from './postgres-server';

// A log reaches a limit of 16 MB sooner than one of 256 MB.
jest.mock('../../../lib/tune/study/limits', () => ({
  ...jest.requireActual<object>('../../../lib/tune/study/limits'),
  LARGEST_LOG: 2 ** 24,
}));

const withServer = hasPostgres ? test : test.skip;
const operation = (study_id: number): tune.Operation => ({ op_code: 1, worker_id: 'w', study_id });

let server: PostgresServer;
let admin: Client;
let logs = 0;
const homes: tune.Home[] = [];
beforeAll(async () => {
  if (hasPostgres) server = await startPostgres();
}, 120_000);
beforeEach(async () => {
  if (!hasPostgres) return;
  admin = new Client(server.access);
  admin.on('error', () => undefined);
  await admin.connect();
});
afterEach(async () => {
  jest.restoreAllMocks();
  for (const home of homes.splice(0)) await home.close();
  if (hasPostgres) await admin.end();
});
afterAll(() => server?.close());

function open(options: tune.PostgresOptions = {}): tune.Home {
  const home = tune.postgres({ ...server.access, ...options });
  homes.push(home);
  return home;
}

const fresh = (): string => `log ${logs++}`;

async function failure(work: Promise<unknown>): Promise<TenonError> {
  try {
    await work;
  } catch (error) {
    return error as TenonError;
  }
  throw new Error('it did not fail');
}

/** Replaces the queries of all connections. */
function onQuery(
  replace: (text: string, ask: (other?: string) => Promise<unknown>) => Promise<unknown>,
): void {
  const query = Client.prototype.query as (...args: unknown[]) => Promise<unknown>;
  jest.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...args: unknown[]) {
    const [first] = args as [string | { readonly text: string; readonly values: unknown[] }];
    if (typeof first === 'string') return query.apply(this, args) as never;
    const ask = (text?: string): Promise<unknown> =>
      query.call(
        this,
        text === undefined ? first : { ...first, text, values: text.includes('$') ? first.values : [] },
      );
    return replace(first.text, ask) as never;
  });
}

withServer(`an append whose confirmation was lost is not repeated${why}`, async () => {
  const name = fresh();
  const [home, other] = [open({ name }), open({ name })];
  await home.append(0, () => [operation(0)]);
  let lost = 0;
  onQuery(async (text, ask) => {
    const result = await ask();
    if (text !== 'COMMIT' || lost > 0) return result;
    lost++;
    await other.append(0, () => [operation(9)]);
    throw new Error('Connection terminated unexpectedly');
  });
  let decided = 0;
  const added = await home.append(1, () => {
    decided++;
    return [operation(1), operation(2)];
  });
  expect([lost, decided]).toEqual([1, 1]);
  expect(added).toEqual([operation(1), operation(2)]);
  expect(await home.read(0)).toEqual([operation(0), operation(1), operation(2), operation(9)]);
});

withServer(`an append whose connection is lost before its commit decides again${why}`, async () => {
  const name = fresh();
  const [home, other] = [open({ name }), open({ name })];
  await home.append(0, () => [operation(0)]);
  let lost = 0;
  onQuery(async (text, ask) => {
    if (text !== 'COMMIT' || lost > 0) return ask();
    lost++;
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
    await other.append(0, () => [operation(9)]);
    return ask();
  });
  const seen: number[] = [];
  const added = await home.append(0, (operations) => {
    seen.push(operations.length);
    return [operation(operations.length)];
  });
  expect(seen).toEqual([1, 2]);
  expect(added).toEqual([operation(0), operation(9), operation(2)]);
});

withServer(
  `a server that crashes and comes back is waited for, also where nothing was asked${why}`,
  async () => {
    const home = open({ name: fresh() });
    await home.append(0, () => [operation(0)]);
    await home.beat(0, 'w');
    await server.tell('stop');
    const appending = home.append(1, () => [operation(1)]);
    const reading = home.read(0);
    await new Promise((done) => setTimeout(done, 300));
    const started = performance.now();
    await server.tell('start');
    await appending;
    await reading;
    expect(await home.read(0)).toEqual([operation(0), operation(1)]);
    // While it was down, nobody could send a sign of life.
    const [beat] = await home.heartbeats();
    expect(beat?.age).toBeLessThan(performance.now() - started);
  },
  60_000,
);

withServer(
  `a server that does not come back is an error that says what was tried${why}`,
  async () => {
    const home = open({ name: 'gone', timeout: 0.5 });
    await home.read(0);
    await server.tell('stop');
    const { port, user, password } = server.access;
    const error = await failure(home.read(0));
    await server.tell('start');
    expect(error.code).toBe('ERR_TENON_DATA');
    expect(error.message).toMatch(
      new RegExp(
        `^postgres://${user}@127.0.0.1:${port}/postgres cannot be reached: .*; tried \\d+ times in \\d+\\.\\d seconds$`,
      ),
    );
    expect(inspect(error)).not.toContain(password);
    expect(await home.read(0)).toEqual([]);
  },
  60_000,
);

/** Whether there is a process of this number, whoever it belongs to. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

withServer(
  `who sleeps in an append is cut off, and decides again${why}`,
  async () => {
    const name = fresh();
    const [home, other] = [open({ name }), open({ name })];
    await home.read(0);
    let backend = 0;
    onQuery(async (text, ask) => {
      if (!text.includes("'30000'") || backend > 0) return ask();
      const { rows } = (await ask('SELECT pg_backend_pid()')) as { readonly rows: readonly unknown[][] };
      backend = Number(rows[0]?.[0]);
      return ask(text.replace("'30000'", "'300'"));
    });
    const seen: number[] = [];
    let second: Promise<unknown> | undefined;
    await home.append(0, (operations) => {
      seen.push(operations.length);
      if (seen.length > 1) return [operation(1)];
      second = other.append(0, () => [operation(0)]);
      // No event tells of it while this process sleeps. The limit is for a server that does not cut off.
      for (const end = performance.now() + 60_000; isRunning(backend) && performance.now() < end;);
      return [operation(5)];
    });
    await second;
    expect(seen).toHaveLength(2);
    expect([...(await home.read(0))].map((one) => 'study_id' in one && one.study_id).sort()).toEqual([0, 1]);
  },
  120_000,
);

withServer(`an append is synced also where that is not the default${why}`, async () => {
  await admin.query(
    `CREATE ROLE hasty SUPERUSER LOGIN PASSWORD 'h'; ALTER ROLE hasty SET synchronous_commit = off`,
  );
  const home = open({ name: fresh(), user: 'hasty', password: 'h' });
  await home.read(0);
  const settings: unknown[] = [];
  onQuery(async (text, ask) => {
    if (text === 'COMMIT') settings.push(await ask("SELECT current_setting('synchronous_commit')"));
    return ask();
  });
  await home.append(0, () => [operation(0)]);
  expect(settings).toMatchObject([{ rows: [['on']] }]);
});

withServer(`several processes may make the tables at the same time${why}`, async () => {
  const schema = 'Ödd "schema"';
  await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      open({ schema, name: String(i % 2) }).append(0, () => [operation(i)]),
    ),
  );
  const read = await Promise.all(['0', '1'].map((name) => open({ schema, name }).read(0)));
  expect(read.map(({ length }) => length)).toEqual([3, 3]);
});

withServer(`logs of one database do not see each other${why}`, async () => {
  const [a, b] = [open({ name: fresh() }), open({ name: fresh() })];
  await a.append(0, () => [operation(1)]);
  await a.beat(1, 'w');
  expect(await b.read(0)).toEqual([]);
  expect(await b.heartbeats()).toEqual([]);
});

withServer.each<[string, (log: string) => string, RegExp]>([
  ['no JSON', (log) => insert(log, 0, "'hello'"), /line 1 is not JSON: expected a value/],
  ['no operation', (log) => insert(log, 0, "'[1]'"), /line 1 is not an operation of a study/],
  [
    'another version of operations',
    (log) => insert(log, 0, `'{"op_code":11,"worker_id":"w"}'`),
    /op_code 11, which is not one of 0 to 10/,
  ],
  ['a gap', (log) => insert(log, 1, `'{"op_code":10,"worker_id":"w"}'`), /line 1 is missing/],
  ['a long row', (log) => insert(log, 0, `repeat('x', 5000000)`), /line 1 has more than 4194304 bytes/],
  [
    'deep nesting',
    (log) => insert(log, 0, `repeat('[', 1000000)`),
    /line 1 is not JSON: more than 100 lists within each other/,
  ],
  [
    'a size that is not true',
    (log) => `UPDATE tenon_logs SET size = 5 WHERE id = ${log}`,
    /line 1 is missing/,
  ],
  ['a log that was deleted', (log) => `DELETE FROM tenon_logs WHERE id = ${log}`, /the log was deleted/],
])(`a hostile log is refused: %s${why}`, async (_, change, message) => {
  const name = fresh();
  const home = open({ name });
  expect(await home.read(0)).toEqual([]);
  const { rows } = await admin.query<{ id: number }>('SELECT id FROM tenon_logs WHERE name = $1', [name]);
  await admin.query(change(String(rows[0]?.id)));
  const study = failure(tune.study(home, { space: { x: tune.uniform(0, 1) } }));
  expect(await study).toMatchObject({ code: 'ERR_TENON_FORMAT' });
  expect((await study).message).toMatch(message);
});

function insert(log: string, number: number, text: string): string {
  return `
    INSERT INTO tenon_operations (log, number, token, operation) VALUES (${log}, ${number}, gen_random_uuid(), ${text});
    UPDATE tenon_logs SET size = ${number + 1} WHERE id = ${log}`;
}

withServer(
  `a log beyond its limit is refused while it is read${why}`,
  async () => {
    const name = fresh();
    const home = open({ name });
    await home.append(0, () => [operation(0)]);
    const long = `{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":"' || repeat('x', 4000000) || '"}}`;
    await admin.query(
      `INSERT INTO tenon_operations (log, number, token, operation)
     SELECT id, i, gen_random_uuid(), '${long}' FROM tenon_logs, generate_series(1, 5) AS i WHERE name = $1`,
      [name],
    );
    const error = await failure(tune.study(home, { space: { x: tune.uniform(0, 1) } }));
    expect(error.message).toContain(`has more than the ${LARGEST_LOG} bytes that a log may have`);
  },
  120_000,
);

withServer(`a full log takes nothing more${why}`, async () => {
  const name = fresh();
  const home = open({ name });
  await home.append(0, () => [operation(0)]);
  await admin.query('UPDATE tenon_logs SET bytes = $2 WHERE name = $1', [name, LARGEST_LOG - 6]);
  const error = await failure(home.append(1, () => [operation(1)]));
  expect(error).toMatchObject({ code: 'ERR_TENON_DATA' });
  expect(error.message).toMatch(/is full/);
  expect(await home.read(0)).toEqual([operation(0)]);
});

withServer(`tables of another version, and of somebody else, are refused${why}`, async () => {
  await open({ schema: 'later' }).read(0);
  await admin.query('UPDATE later.tenon_version SET version = 2');
  const later = await failure(open({ schema: 'later' }).read(0));
  expect(later).toMatchObject({ code: 'ERR_TENON_FORMAT' });
  expect(later.message).toMatch(/"later".tenon_version says version \["2"\], not 1/);
  await admin.query('CREATE SCHEMA other; CREATE TABLE other.tenon_version (v text)');
  const other = await failure(open({ schema: 'other' }).read(0));
  expect(other).toMatchObject({ code: 'ERR_TENON_FORMAT' });
  expect(other.message).toMatch(/has tables that are not those of a study: column "version" does not exist/);
});

withServer(
  `what the server refuses is said, and not tried again${why}`,
  async () => {
    await open().read(0);
    await admin.query(`
    CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    CREATE ROLE frozen SUPERUSER LOGIN PASSWORD 'f';
    ALTER ROLE frozen SET default_transaction_read_only = on`);
    const space = { x: tune.uniform(0, 1) };
    const cases: readonly [tune.PostgresOptions, RegExp][] = [
      [{ password: 'wrong' }, /refuses: password authentication failed for user "tenon" \(28P01\)/],
      [{ database: 'nowhere' }, /refuses: database "nowhere" does not exist \(3D000\)/],
      [{ user: 'reader', password: 'r', schema: 'new' }, /permission denied for database postgres \(42501\)/],
      [{ user: 'reader', password: 'r', name: 'study' }, /permission denied for table tenon_logs \(42501\)/],
      [
        { user: 'frozen', password: 'f', name: 'study' },
        /cannot execute SELECT FOR UPDATE in a read-only transaction/,
      ],
      [{ ssl: true }, /The server does not support SSL connections/],
    ];
    for (const [options, message] of cases) {
      const error = await failure(tune.study(open(options), { space }));
      expect(error).toMatchObject({ code: 'ERR_TENON_DATA' });
      expect(error.message).toMatch(message);
      // What is tried again is said to be out of reach.
      expect(error.message).toContain(' refuses: ');
    }
  },
  60_000,
);

/** Worker processes need the built package, which `npm test` makes first. */
const built = existsSync(join(root, 'dist', 'tune', 'run', 'worker.js'));

(hasPostgres && built ? test : test.skip)(
  `two processes run one study, and each trial once${why}`,
  async () => {
    const { user, password, port } = server.access;
    await admin.query('CREATE DATABASE search');
    const place = `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/search`;
    const meeting = mkdtempSync(join(tmpdir(), 'tenon-meeting-'));
    const script = join(__dirname, 'children', 'searching.mjs');
    const search = (): Promise<{ stdout: string }> =>
      promisify(execFile)(process.execPath, [script, place, '24', meeting]);
    const ran = (await Promise.all([search(), search()])).map(
      ({ stdout }) => JSON.parse(stdout) as readonly number[],
    );
    rmSync(meeting, { recursive: true });
    expect(ran.filter(({ length }) => length > 0)).toHaveLength(2);
    const numbers = Array.from({ length: 24 }, (_, number) => number);
    expect(ran.flat().sort((a, b) => a - b)).toEqual(numbers);
    const study = await tune.study(open({ database: 'search' }));
    expect(study.trials.map(({ state, value }) => [state, value])).toEqual(
      numbers.map((point) => ['complete', point ** 2]),
    );
  },
  120_000,
);

withServer(`connection strings, sockets and passwords that are asked for${why}`, async () => {
  const { user, password, port, database } = server.access;
  const name = fresh();
  await open({ name, password: () => Promise.resolve(password) }).append(0, () => [operation(1)]);
  const secret = encodeURIComponent(password);
  for (const connectionString of [
    `postgres://${user}:${secret}@127.0.0.1:${port}/${database}`,
    `postgresql://${user}:${secret}@/${database}?host=${encodeURIComponent(server.socket)}&port=${port}`,
  ]) {
    const home = tune.postgres({ connectionString, name });
    homes.push(home);
    expect(await home.read(0)).toEqual([operation(1)]);
    expect(home.name).toContain(`postgres://${user}@`);
    expect(inspect(home, { depth: 10 })).not.toContain(password);
    expect(inspect(home, { depth: 10 })).not.toContain(secret);
  }
});

test('a server that was never reached is tried for a few seconds', async () => {
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  const home = tune.postgres({ host: 'localhost', port, database: 'd', user: 'u', password: 'secret' });
  const error = await failure(tune.study(home, { space: { x: tune.uniform(0, 1) } }));
  expect(error).toMatchObject({ code: 'ERR_TENON_DATA' });
  expect(error.message).toMatch(/^postgres:\/\/u@localhost:\d+\/d cannot be reached: .*ECONNREFUSED/);
  const [, seconds] = /; tried \d+ times in (\d+\.\d) seconds$/.exec(error.message) ?? [];
  expect(Number(seconds)).toBeGreaterThanOrEqual(5);
  await home.close();
});

test.each<[tune.PostgresOptions, RegExp]>([
  [{ url: 'x' } as never, /unknown option "url"/],
  [{ connectionString: 'mysql://u:secret@h/d' }, /must begin with postgres:\/\/$/],
  [{ connectionString: 'postgres://u:secret@h:99999999/d' }, /the server's address cannot be used/],
  [{ connectionString: 'postgres://h/d', user: 'u' }, /connectionString or user, not both/],
  [{ port: 70_000 }, /port must be at most 65535, got 70000/],
  [{ host: '' }, /host must be a non-empty string/],
  [{ password: 5 as never }, /password must be a text or a function/],
  [{ ssl: 'yes' as never }, /ssl must be true, false or options/],
  [{ name: 'x'.repeat(201) }, /name must be at most 200 bytes without a zero/],
  [{ schema: 'x'.repeat(64) }, /schema must be at most 63 bytes/],
  [{ timeout: 0 }, /timeout must be a finite number above 0/],
])('bad options: %p', async (options, message) => {
  const error = await failure(Promise.resolve().then(() => tune.postgres(options)));
  expect(error).toMatchObject({ code: 'ERR_TENON_OPTION' });
  expect(error.message).toMatch(message);
  expect(inspect(error)).not.toContain('secret');
});

test('without pg the error says how to get it', async () => {
  jest.resetModules();
  jest.doMock('pg', () => {
    throw new Error("Cannot find module 'pg'");
  });
  const { postgres } = jest.requireActual<typeof postgresModule>('../../../lib/tune/study/postgres');
  const error = await failure(Promise.resolve().then(() => postgres()));
  expect(error.message).toMatch(/npm install pg/);
  jest.dontMock('pg');
});
