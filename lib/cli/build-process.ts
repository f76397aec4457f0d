/** Programs that `tenon build` runs: npm, and what starts the compiler. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Process {
  /** The arguments of this Node: a script, and the script's own. */
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the program, with all that it has started. */
  readonly signal: AbortSignal;
}

/**
 * Runs a script to its end. What it prints is for people and goes to standard error: with --json, standard
 * output holds JSON only. @returns its exit code; null after a signal
 */
export async function runScript({ args, cwd, env, signal }: Process): Promise<number | null> {
  // In a group of its own, so that a signal reaches the compilers too. Windows has no such groups.
  const grouped = process.platform !== 'win32';
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 2, 2], detached: grouped });
  const end = (): void => {
    if (grouped && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    else child.kill();
  };
  const closed = once(child, 'close') as Promise<[number | null]>;
  signal.addEventListener('abort', end);
  try {
    if (signal.aborted) end();
    return (await closed)[0];
  } finally {
    signal.removeEventListener('abort', end);
  }
}
