/** A PostgreSQL server for the tests of a file, which are skipped where it is not installed. */
import type { tune } from '../../../lib';

export interface PostgresServer {
  readonly access: Required<Pick<tune.PostgresOptions, 'host' | 'port' | 'database' | 'user'>> & {
    readonly password: string;
  };
  /** The folder of its Unix socket. */
  readonly socket: string;
  /** Ends the server as a crash would, or starts it again. */
  readonly tell: (word: 'stop' | 'start') => Promise<unknown>;
  readonly close: () => Promise<void>;
}

const { findPostgres, startPostgres } = jest.requireActual<{
  readonly findPostgres: () => string | undefined;
  readonly startPostgres: () => Promise<PostgresServer>;
}>('../../../scripts/verify/children/postgres-server.js');

export { startPostgres };
export const hasPostgres = findPostgres() !== undefined;
/** Behind the names of tests. */
export const why = hasPostgres
  ? ''
  : ' (skipped: PostgreSQL is not installed; TENON_POSTGRES names a folder)';
