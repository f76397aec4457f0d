/**
 * A connection to PostgreSQL by `pg`, an optional peer dependency loaded at first use. It is made when it is
 * needed, and made anew when it is lost.
 */
import type { ClientConfig, Client as PgClient } from 'pg';
import { DataError, FormatError, OptionError, TenonError } from '../../errors';
import { systemCode } from '../../files/errors';
import { clip, loadProblemOf, messageOf, problemOf } from '../../options';

/**
 * How to reach the database: a connection string, or its parts. Parts that are missing come from the
 * environment, as in `psql` (`PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`).
 */
export interface Access {
  /** `postgres://user:password@host:port/database` */
  readonly connectionString?: string;
  /** A name, an address, or the folder of a Unix socket. */
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  /** Or a function that returns it, called for each connection. */
  readonly password?: string | (() => string | Promise<string>);
  /** Whether the connection is encrypted, or the options of Node's `tls.connect`, as `{ ca: '...' }`. */
  readonly ssl?: boolean | object; // not the type of node:tls, which needs @types/node
}

export type Parameter = string | number | readonly string[];
/**
 * Values are texts, so that they do not depend on parsers that somebody has set: cast them in the statement.
 */
export type Row = readonly (string | null)[];
export type Query = (text: string, values?: readonly Parameter[]) => Promise<readonly Row[]>;

/** Milliseconds for one attempt to connect. */
const CONNECT = 10_000;
/**
 * Milliseconds for which a transaction may stand still before the server ends it, so that a process that
 * sleeps does not hold up the others. As long as the lock of a journal.
 */
export const STILL = 30_000;
/** Milliseconds for a statement, which may have to wait for such a process. */
const STATEMENT = STILL + 15_000;
/** Milliseconds for which a server is tried that has never answered: as a rule, its address is wrong. */
const FIRST = 5000;
const LONGEST_SLEEP = 2000;

/**
 * What may be otherwise the next time, by SQLSTATE: failures of serialization, and ends of the connection.
 */
const PASSING = /^(?:08...|40001|40P01|25P03|53300|55P03|57014|57P0[1235])$/;
/** The same of the system, which numbers its errors by names, and of `pg`, which does not. */
const PASSING_SYSTEM = /^E(?!RR_)[A-Z_]+$/;
const PASSING_TEXT = /^(?:Connection terminated|timeout expired|Query read timeout)/;
/** A table, column or function is missing, or of another type. */
const OTHER_TABLES = /^42(?:P01|703|883|804|846)$/;

/** What the types of `pg` leave out. */
type Client = PgClient & { ref(): void; unref(): void };
interface PgModule {
  readonly Client: new (config: ClientConfig) => Client;
}
let loaded: PgModule | undefined;

/** @throws TenonError telling how to install it */
function loadPg(): PgModule {
  if (loaded !== undefined) return loaded;
  try {
    // As sharp, see data/sharp.ts.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    loaded = require('pg') as PgModule;
    return loaded;
  } catch (error) {
    throw new TenonError(
      `a study in PostgreSQL needs the package "pg", which cannot be loaded: run npm install pg (${loadProblemOf(error)})`,
      { cause: error },
    );
  }
}

/** What failed was a statement or the connection, not the work around it. */
class Fault extends Error {
  /** Whether the connection was lost before: that the statement cannot be sent then says nothing. */
  afterLoss = false;

  constructor(readonly problem: unknown) {
    super(textOf(problem), { cause: problem });
  }

  get isPassing(): boolean {
    if (this.afterLoss) return true;
    const code = systemCode(this.problem);
    if (code === undefined) return PASSING_TEXT.test(this.message);
    return PASSING.test(code) || PASSING_SYSTEM.test(code);
  }
}

export class Connection {
  /** `postgres://user@host:port/database` */
  readonly name: string;
  private client: Client | undefined;
  private reached = false;
  private last: Promise<unknown> = Promise.resolve();
  private readonly make: () => Client;

  /**
   * @param patience milliseconds for which works are tried again from the first failure on
   * @throws OptionError for a connection string that is not one; TenonError if `pg` is not installed
   */
  constructor(
    where: string,
    access: Access,
    private readonly patience: number,
  ) {
    const { Client } = loadPg();
    const times = { connectionTimeoutMillis: CONNECT, query_timeout: STATEMENT, keepAlive: true };
    this.make = () => new Client({ ...access, ...times, fallback_application_name: 'tenon' });
    try {
      const { user, host, port, database } = this.make();
      this.name = `postgres://${clip(`${user ?? ''}@${host}:${port}/${database ?? ''}`)}`;
    } catch (error) {
      // Without the error as its cause, which may hold the password.
      throw new OptionError(`${where}: the server's address cannot be used: ${problemOf(error)}`);
    }
  }

  /**
   * Runs a work when those before it have ended, and again where the connection fails meanwhile.
   * @param work is told how many times it was tried before
   * @throws DataError where the server cannot be reached or refuses; FormatError where its tables are not
   *   those that the work expects; and what the work throws
   */
  use<T>(work: (query: Query, before: number) => Promise<T>): Promise<T> {
    const done = this.last.then(() => this.persist(work));
    this.last = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.last;
    const { client } = this;
    this.client = undefined;
    if (client === undefined) return;
    client.ref();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((done) => (timer = setTimeout(done, 1000)));
    await Promise.race([client.end().catch(() => undefined), late]);
    clearTimeout(timer);
    client.unref();
  }

  private async persist<T>(work: (query: Query, before: number) => Promise<T>): Promise<T> {
    let first: number | undefined;
    for (let before = 0; ; before++) {
      try {
        return await this.attempt(work, before);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        first ??= performance.now();
        const taken = performance.now() - first;
        const left = (this.reached ? this.patience : Math.min(FIRST, this.patience)) - taken;
        if (!error.isPassing || left <= 0) throw this.explain(error, before + 1, taken);
        const sleep = Math.min(50 * 2 ** before, LONGEST_SLEEP) * (0.5 + Math.random());
        await new Promise((done) => setTimeout(done, Math.min(sleep, left)));
      }
    }
  }

  private async attempt<T>(work: (query: Query, before: number) => Promise<T>, before: number): Promise<T> {
    const client = await this.connected();
    // While nothing is asked, the connection does not keep the process alive.
    client.ref();
    try {
      return await work((text, values) => ask(client, text, values), before);
    } catch (error) {
      if (error instanceof Fault) {
        error.afterLoss = this.client !== client;
        this.drop(client);
      }
      throw error;
    } finally {
      client.unref();
    }
  }

  private async connected(): Promise<Client> {
    if (this.client !== undefined) return this.client;
    const client = this.make();
    // That the connection was lost while nothing was asked; an event that nobody hears ends the process.
    client.on('error', () => this.drop(client));
    try {
      await client.connect();
    } catch (error) {
      this.drop(client);
      throw new Fault(error);
    }
    this.reached = true;
    this.client = client;
    return client;
  }

  private drop(client: Client): void {
    if (this.client === client) this.client = undefined;
    client.end().catch(() => undefined);
  }

  private explain(fault: Fault, tries: number, taken: number): TenonError {
    const code = systemCode(fault.problem);
    const problem = `${clip(fault.message)}${code === undefined || fault.message.includes(code) ? '' : ` (${code})`}`;
    const cause = fault.problem;
    if (fault.isPassing) {
      const tried = `tried ${tries === 1 ? 'once' : `${tries} times in ${(taken / 1000).toFixed(1)} seconds`}`;
      return new DataError(`${this.name} cannot be reached: ${problem}; ${tried}`, { cause });
    }
    if (OTHER_TABLES.test(code ?? ''))
      return new FormatError(`${this.name} has tables that are not those of a study: ${problem}`, { cause });
    return new DataError(`${this.name} refuses: ${problem}`, { cause });
  }
}

/** Runs `work` in a transaction. Each statement sees what was committed before it. */
export async function transaction<T>(query: Query, work: () => Promise<T>): Promise<T> {
  await query('BEGIN ISOLATION LEVEL READ COMMITTED');
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // After a fault, the connection is given up, and the transaction with it.
    if (!(error instanceof Fault)) await query('ROLLBACK');
    throw error;
  }
  await query('COMMIT');
  return result;
}

async function ask(client: Client, text: string, values: readonly Parameter[] = []): Promise<readonly Row[]> {
  try {
    return (await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array' })).rows;
  } catch (error) {
    throw new Fault(error);
  }
}

/** Where several addresses of a host were tried, the error says nothing itself. */
function textOf(problem: unknown): string {
  const text = messageOf(problem);
  if (text !== '' || typeof problem !== 'object' || problem === null || !('errors' in problem)) return text;
  return Array.isArray(problem.errors) ? problem.errors.map(messageOf).join(', ') : text;
}
