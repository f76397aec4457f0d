/** The tables of logs in a database: made where they are missing, and the version of their form. */
import { FormatError } from '../../errors';
import { show } from '../../options';
import { transaction, type Query } from './postgres-connection';

const VERSION = '1';
/** The number of the server's advisory lock that is held while tables are made: 'teno' in ASCII. */
const MAKING = 0x74656e6f;

export class Tables {
  readonly versions: string;
  /** How many operations each log has, and their bytes. The row is locked by who appends. */
  readonly logs: string;
  readonly operations: string;
  readonly heartbeats: string;

  constructor(private readonly schema: string) {
    const named = (table: string): string => `${quoted(schema)}.${table}`;
    this.versions = named('tenon_version');
    this.logs = named('tenon_logs');
    this.operations = named('tenon_operations');
    this.heartbeats = named('tenon_heartbeats');
  }

  /**
   * The number of the log of a name. It and the tables are made where they are missing.
   * @throws FormatError for tables of another version
   */
  async open(query: Query, where: string, name: string): Promise<string> {
    if (!(await this.exist(query))) await this.make(query);
    const versions = await query(`SELECT version::text FROM ${this.versions}`);
    if (versions.length !== 1 || versions[0]?.[0] !== VERSION)
      throw new FormatError(
        `${where}: ${this.versions} says version ${show(versions.slice(0, 8).flat())}, not ${VERSION}: its ` +
          `tables are those of another version of tenon, or damaged`,
      );
    const find = `SELECT id::text FROM ${this.logs} WHERE name = $1`;
    let [row] = await query(find, [name]);
    if (row === undefined) {
      await query(`INSERT INTO ${this.logs} (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, [name]);
      [row] = await query(find, [name]);
    }
    if (typeof row?.[0] !== 'string') throw new FormatError(`${where}: the log was deleted`);
    return row[0];
  }

  private async exist(query: Query): Promise<boolean> {
    return (await query(`SELECT 1 WHERE to_regclass($1) IS NOT NULL`, [this.versions])).length > 0;
  }

  /** Several processes may do so at the same time. */
  private async make(query: Query): Promise<void> {
    await transaction(query, async () => {
      await query('SELECT pg_advisory_xact_lock($1::bigint)::text', [MAKING]);
      const schemas = await query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [this.schema]);
      if (schemas.length === 0) await query(`CREATE SCHEMA ${quoted(this.schema)}`);
      await query(`CREATE TABLE IF NOT EXISTS ${this.logs} (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE,
        size bigint NOT NULL DEFAULT 0,
        bytes bigint NOT NULL DEFAULT 0
      )`);
      // Text, since the JSON of PostgreSQL has neither NaN nor Infinity.
      await query(`CREATE TABLE IF NOT EXISTS ${this.operations} (
        log integer NOT NULL REFERENCES ${this.logs} ON DELETE CASCADE,
        number bigint NOT NULL,
        token uuid NOT NULL,
        operation text NOT NULL,
        PRIMARY KEY (log, number)
      )`);
      await query(`CREATE TABLE IF NOT EXISTS ${this.heartbeats} (
        log integer NOT NULL REFERENCES ${this.logs} ON DELETE CASCADE,
        trial integer NOT NULL,
        worker text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (log, trial)
      )`);
      // Last: where it is, all are.
      await query(`CREATE TABLE IF NOT EXISTS ${this.versions} (version integer NOT NULL)`);
      await query(
        `INSERT INTO ${this.versions} SELECT ${VERSION} WHERE NOT EXISTS (SELECT FROM ${this.versions})`,
      );
    });
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
