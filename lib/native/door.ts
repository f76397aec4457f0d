/**
 * The loaded addon, and the form in which its errors come. Files that type a part of the addon's interface
 * use it: lib/native.ts, lib/native/world.ts.
 */
import {
  AbortedError,
  DataError,
  DisposedError,
  DistributedError,
  NativeError,
  OptionError,
  OutOfMemoryError,
  TenonError,
} from '../errors';
import { loadAddon, type LoadedAddon } from './load';

let loaded: LoadedAddon | undefined;

/** Finds the addon and starts it, once. */
export function use(): LoadedAddon {
  if (!loaded) {
    const found = loadAddon();
    attempt(() => (found.addon as { start(): void }).start());
    loaded = found;
  }
  return loaded;
}

const ERRORS: Readonly<Record<string, new (message: string, options?: { cause?: unknown }) => TenonError>> = {
  ERR_TENON_NATIVE: NativeError,
  ERR_TENON_MEMORY: OutOfMemoryError,
  ERR_TENON_DATA: DataError,
  ERR_TENON_ABORTED: AbortedError,
  ERR_TENON_DISPOSED: DisposedError,
  ERR_TENON_DISTRIBUTED: DistributedError,
  ERR_TENON_OPTION: OptionError,
};

/**
 * Turns an error of the addon into a typed one. TypeError and RangeError, which are bugs of the caller, stay
 * as they are.
 */
function typed(error: unknown): unknown {
  if (error instanceof TenonError) return error; // of loading, with its causes
  const code = (error as { code?: unknown } | undefined)?.code;
  const Class = typeof code === 'string' ? ERRORS[code] : undefined;
  return Class ? new Class((error as Error).message) : error;
}

export function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw typed(error);
  }
}

export async function attemptAsync<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw typed(error);
  }
}
