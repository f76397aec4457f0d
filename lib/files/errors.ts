/** What goes wrong with files, as tenon's errors. */
import { DataError, FormatError, IoError, TenonError } from '../errors';
import { clip, problemOf } from '../options';

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EISDIR',
]);

/**
 * Whether the system refuses to make any link, because its file system has none. EISDIR is what Node makes of
 * that on Windows.
 */
export function lacksLinks(error: unknown): boolean {
  return NO_LINKS.has(systemCode(error));
}

/** Turns a file system error into DataError (the path does not exist) or IoError (the system refused). */
export function fileError(what: string, path: string, error: unknown): TenonError {
  if (error instanceof TenonError) return error;
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new DataError(`${what} ${clip(path)} does not exist`, { cause: error });
  return new IoError(`${what} ${clip(path)} cannot be read: ${problemOf(error)}`, { cause: error });
}

/** A FormatError in the one form all readers use: file, what is wrong. */
export function malformed(file: string, problem: string, cause?: unknown): FormatError {
  return new FormatError(`${clip(file)}: ${problem}`, { cause });
}
