/**
 * What a call costs, measured in a process of its own: for files made to take memory or time
 * out of proportion.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

/** How a call ended and what it took. */
export interface Cost {
  /** What it returned, where that is JSON: of an async generator, how many values it yielded. */
  readonly value?: unknown;
  /** What it threw instead; `NeverSettled` where the event loop ran empty before it was done. */
  readonly error?: { readonly name: string; readonly code?: string; readonly message: string };
  /** By how many bytes the peak of resident memory exceeds what was resident before the call. */
  readonly grownBytes: number;
  /**
   * The longest time for which the event loop did not turn, in milliseconds of processor time of the
   * JavaScript thread (on Linux; elsewhere in milliseconds), so that other processes of a busy machine
   * do not count.
   */
  readonly longestTurnMs: number;
}

/** Values that reach the child as they are. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * Calls `name`, which `module` exports, and waits for its promise or drains its async generator.
 * @param module path from the project's root: `lib/files/tar.ts`
 */
export function costOf(module: string, name: string, ...args: readonly Json[]): Cost {
  const register = join(root, 'test', 'native', 'children', 'register.js');
  const child = spawnSync(
    process.execPath,
    ['-r', register, join(__dirname, 'children', 'cost.ts'), join(root, module), name, JSON.stringify(args)],
    { encoding: 'utf8', timeout: 240_000 },
  );
  if (child.status !== 0)
    throw new Error(
      `${module} ${name}: ended by ${child.signal ?? `exit code ${child.status}`} ${child.stderr}`,
    );
  return JSON.parse(child.stdout) as Cost;
}
