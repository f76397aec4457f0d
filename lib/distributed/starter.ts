/** The program of the launcher that started this process, where this user may see it. */
import { readFileSync, readlinkSync } from 'node:fs';

/** Programs that start ranks. */
const STARTERS =
  /^(mpirun|mpiexec|orterun|orted|prterun|prte|prted|hydra_pmi_proxy|hydra_bstrap_proxy)(\.|$)/;

/** Ancestors that are looked at: a shell or npx may stand between the launcher and this process. */
const GENERATIONS = 8;

export interface Starter {
  readonly pid: number;
  readonly file: string;
}

/**
 * The nearest ancestor that starts ranks. Undefined where there is none, or the system does not say: of
 * another user's program, such as a daemon of the cluster, it does not.
 */
export function starterOfThis(): Starter | undefined {
  try {
    for (let pid = process.ppid, i = 0; pid > 1 && i < GENERATIONS; i++) {
      const file = readlinkSync(`/proc/${pid}/exe`);
      if (STARTERS.test(file.split('/').at(-1) ?? '')) return { pid, file };
      pid = parentOf(pid);
    }
  } catch {
    // Nothing is known of what is further up.
  }
  return undefined;
}

function parentOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // proc_pid_stat(5): the name, which may hold anything, is in parentheses; field 4 is the parent.
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
}
