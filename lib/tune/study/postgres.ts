/**
 * A log in a PostgreSQL database, for searches on many machines: a row for each operation, numbered without
 * gaps in the order of commits, since who appends holds the lock of the log's row.
 */
import { randomUUID } from 'node:crypto';
import { DataError, FormatError, OptionError } from '../../errors';
import { checkKeys, nonEmptyString, positive, positiveInteger, show } from '../../options';
import type { Json } from '../../settings';
import type { Heartbeat, Home } from './home';
import { CHUNK, LARGEST_LOG, LONGEST_OPERATION, LONGEST_WORKER, PORTION } from './limits';
import type { Operation } from './operation';
import { Connection, STILL, transaction, type Access, type Query, type Row } from './postgres-connection';
import { Tables } from './postgres-tables';
import { toPythonJson } from './python-json';
import { parseOperation } from './read-operation';

export interface PostgresOptions extends Access {
  /** Which log of the database: each has its own lock. Default `study`. */
  readonly name?: string;
  /** Where the tables are, made if missing. Default `public`. */
  readonly schema?: string;
  /**
   * Seconds for which a call tries again where the server went away, as it does when it is started anew.
   * Default 120. A server that has never answered is tried for 5 seconds.
   */
  readonly timeout?: number;
}

const WHERE = 'tune.postgres';
const PARTS = ['host', 'port', 'database', 'user', 'password'] as const;
const MOST_HEARTBEATS = 10_000;

class PostgresHome implements Home {
  readonly name: string;
  private log: Promise<string> | undefined;
  /** Bytes that were read since the log was last read from its beginning. */
  private bytes = 0;

  constructor(
    private readonly logName: string,
    private readonly tables: Tables,
    /** Who appends may have to wait, and heartbeats must not. */
    private readonly writing: Connection,
    private readonly reading: Connection,
  ) {
    this.name = `${writing.name} (log ${logName})`;
  }

  async read(from: number): Promise<readonly Operation[]> {
    const log = await this.open();
    return this.reading.use((query) => this.portion(query, log, from));
  }

  async append(
    from: number,
    decide: (fresh: readonly Operation[]) => readonly Operation[],
  ): Promise<readonly Operation[]> {
    const log = await this.open();
    // By which a commit is found whose confirmation was lost.
    const token = randomUUID();
    return this.writing.use((query, before) =>
      transaction(query, async () => {
        const { size, bytes } = await this.lock(query, log);
        const fresh = await this.between(query, log, from, size);
        const done = before === 0 ? undefined : await this.endOf(query, log, from, token);
        if (done !== undefined) return fresh.slice(0, done - from);
        const added = decide(fresh);
        if (added.length > 0) await this.insert(query, [log, size, token], bytes, added);
        return [...fresh, ...added];
      }),
    );
  }

  async beat(trial: number, worker: string): Promise<void> {
    const log = await this.open();
    await this.reading.use((query) =>
      query(
        `INSERT INTO ${this.tables.heartbeats} AS beat (log, trial, worker, at)
         VALUES ($1, $2, $3, clock_timestamp())
         ON CONFLICT (log, trial) DO UPDATE SET worker = excluded.worker, at = excluded.at`,
        [log, trial, worker],
      ),
    );
  }

  async heartbeats(): Promise<readonly Heartbeat[]> {
    const log = await this.open();
    // While the server was down, nobody could send any.
    const rows = await this.reading.use((query) =>
      query(
        `SELECT trial::text, left(worker, ${LONGEST_WORKER}), (1000 * extract(epoch FROM
           clock_timestamp() - greatest(at, pg_postmaster_start_time())))::float8::text
         FROM ${this.tables.heartbeats} WHERE log = $1 AND isfinite(at)
         ORDER BY trial LIMIT ${MOST_HEARTBEATS}`,
        [log],
      ),
    );
    return rows.map(([trial, worker, age]) => ({
      trial: Number(trial),
      worker: String(worker),
      age: Math.max(0, Number(age)),
    }));
  }

  async quiet(trial: number): Promise<void> {
    const log = await this.open();
    await this.reading.use((query) =>
      query(`DELETE FROM ${this.tables.heartbeats} WHERE log = $1 AND trial = $2`, [log, trial]),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.writing.close(), this.reading.close()]);
  }

  private open(): Promise<string> {
    this.log ??= this.reading
      .use((query) => this.tables.open(query, this.name, this.logName))
      .catch((error: unknown) => {
        this.log = undefined;
        throw error;
      });
    return this.log;
  }

  /** Waits until nobody else appends. */
  private async lock(query: Query, log: string): Promise<{ readonly size: number; readonly bytes: number }> {
    const [row] = await query(
      `SELECT size::text, bytes::text, set_config('idle_in_transaction_session_timeout', '${STILL}', true),
         CASE current_setting('synchronous_commit')
           WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
       FROM ${this.tables.logs} WHERE id = $1 FOR UPDATE`,
      [log],
    );
    if (row === undefined) throw new FormatError(`${this.name}: the log was deleted`);
    return { size: Number(row[0]), bytes: Number(row[1]) };
  }

  private async between(query: Query, log: string, from: number, to: number): Promise<Operation[]> {
    if (from > to)
      throw new FormatError(`${this.name} has ${to} operations, fewer than the ${from} that were read`);
    const all: Operation[] = [];
    while (from + all.length < to) {
      const portion = await this.portion(query, log, from + all.length);
      if (portion.length === 0) throw new FormatError(`${this.where(from + all.length)} is missing`);
      all.push(...portion);
    }
    return all;
  }

  private async portion(query: Query, log: string, from: number): Promise<readonly Operation[]> {
    const rows = await query(
      `SELECT number::text, octet_length(operation)::text,
         CASE WHEN octet_length(operation) <= ${LONGEST_OPERATION} THEN operation::text END
       FROM (
         SELECT number, operation, sum(octet_length(operation)) OVER (ORDER BY number) AS bytes
         FROM ${this.tables.operations} WHERE log = $1 AND number >= $2 AND number < $2::bigint + ${PORTION}
       ) AS next
       WHERE bytes <= ${CHUNK} OR number = $2
       ORDER BY next.number`,
      [log, from],
    );
    if (from === 0) this.bytes = 0;
    return rows.map((row, i) => this.operationOf(row, from + i));
  }

  private operationOf([number, bytes, text]: Row, expected: number): Operation {
    const where = this.where(expected);
    if (Number(number) !== expected) throw new FormatError(`${where} is missing`);
    if (typeof text !== 'string') throw new FormatError(`${where} has more than ${LONGEST_OPERATION} bytes`);
    this.bytes += Number(bytes);
    if (this.bytes > LARGEST_LOG)
      throw new FormatError(`${this.name} has more than the ${LARGEST_LOG} bytes that a log may have`);
    return parseOperation(where, () => text);
  }

  /** Counted as the lines of a journal, from 1. */
  private where(number: number): string {
    return `${this.name}, line ${number + 1}`;
  }

  /** Behind the operations that an earlier try has committed; undefined where it did not come to that. */
  private async endOf(query: Query, log: string, from: number, token: string): Promise<number | undefined> {
    const [row] = await query(
      `SELECT max(number)::text FROM ${this.tables.operations} WHERE log = $1 AND number >= $2 AND token = $3`,
      [log, from, token],
    );
    const last = row?.[0] ?? null;
    return last === null ? undefined : Number(last) + 1;
  }

  private async insert(
    query: Query,
    [log, size, token]: readonly [log: string, size: number, token: string],
    before: number,
    added: readonly Operation[],
  ): Promise<void> {
    const texts = added.map((operation) => ascii(toPythonJson(operation as Json)));
    const bytes = texts.reduce((sum, { length }) => sum + length, before);
    if (bytes > LARGEST_LOG || texts.some(({ length }) => length > LONGEST_OPERATION))
      throw new DataError(
        `${this.name} is full: a log may have ${LARGEST_LOG} bytes, and an operation ${LONGEST_OPERATION}`,
      );
    await query(
      `WITH added AS (
         INSERT INTO ${this.tables.operations} (log, number, token, operation)
         SELECT $1::integer, $2::bigint + place - 1, $3::uuid, operation
         FROM unnest($4::text[]) WITH ORDINALITY AS given (operation, place)
       )
       UPDATE ${this.tables.logs} SET size = $2::bigint + ${texts.length}, bytes = ${bytes} WHERE id = $1`,
      [log, size, token, texts],
    );
  }
}

/** Whatever encoding the database has. */
function ascii(json: string): string {
  return json.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Keeps a study in a PostgreSQL database, which many machines may work on at once. Needs the package `pg`.
 * @throws OptionError; TenonError if `pg` is not installed
 */
export function postgres(options: PostgresOptions = {}): Home {
  checkKeys(WHERE, options, ['connectionString', ...PARTS, 'ssl', 'name', 'schema', 'timeout']);
  const name = text('name', options.name ?? 'study', 200);
  const tables = new Tables(text('schema', options.schema ?? 'public', 63));
  const patience = positive(WHERE, 'timeout', options.timeout ?? 120) * 1000;
  const access = accessOf(options);
  const connection = (): Connection => new Connection(WHERE, access, patience);
  return new PostgresHome(name, tables, connection(), connection());
}

function accessOf(options: PostgresOptions): Access {
  const { connectionString, ssl, password, port } = options;
  const parts = PARTS.filter((part) => options[part] !== undefined);
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null))
    throw new OptionError(`${WHERE}: ssl must be true, false or options of tls.connect, got ${show(ssl)}`);
  const encrypted = ssl === undefined ? {} : { ssl };
  if (connectionString !== undefined) {
    if (parts.length > 0)
      throw new OptionError(`${WHERE}: connectionString or ${parts.join(', ')}, not both`);
    // What is wrong with it is not shown: it holds the password.
    if (typeof connectionString !== 'string' || !/^postgres(?:ql)?:\/\//.test(connectionString))
      throw new OptionError(`${WHERE}: connectionString must begin with postgres://`);
    return { connectionString, ...encrypted };
  }
  if (port !== undefined && positiveInteger(WHERE, 'port', port) > 65535)
    throw new OptionError(`${WHERE}: port must be at most 65535, got ${port}`);
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function')
    throw new OptionError(`${WHERE}: password must be a text or a function that returns one`);
  for (const part of ['host', 'database', 'user'] as const)
    if (options[part] !== undefined) nonEmptyString(WHERE, part, options[part]);
  return { ...Object.fromEntries(parts.map((part) => [part, options[part]])), ...encrypted };
}

function text(option: string, value: unknown, longest: number): string {
  const given = nonEmptyString(WHERE, option, value);
  if (Buffer.byteLength(given) > longest || given.includes('\0'))
    throw new OptionError(
      `${WHERE}: ${option} must be at most ${longest} bytes without a zero, got ${show(value)}`,
    );
  return given;
}
