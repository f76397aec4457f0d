/** Tells whether a process still runs, even if another process has its number now. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When process `pid` of this machine began, in the system's own terms, which are the same for all who ask;
 * undefined if it has ended, '' if the system does not say.
 */
export function processStart(pid: number): string | undefined {
  const found = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid);
  if (found !== '') return found;
  return exists(pid) ? '' : undefined;
}

function startOnLinux(pid: number): string | undefined {
  try {
    // proc_pid_stat(5): the name, which may hold anything, is in parentheses; behind it field 3 is the state,
    // field 22 the start.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A process that was killed keeps its number until its parent has asked about it.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${fields[19]}`;
  } catch {
    return ''; // it has ended, or belongs to a user whose processes are hidden
  }
}

function startByPs(pid: number): string {
  if (process.platform === 'win32') return ''; // a `ps` there is another system's, with numbers of its own
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'latin1', env }).trim();
  } catch {
    return '';
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}
