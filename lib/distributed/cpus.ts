/** Sets of CPUs, which are called by their numbers. */
import { readFileSync } from 'node:fs';

/** What a list of the kernel's names: `0-2,5`. */
export function parseCpus(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = NaN, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

/** The CPUs as such a list. */
export function cpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length;) {
    let end = i;
    while (cpus[end + 1] === cpus[end]! + 1) end++;
    parts.push(end === i ? `${cpus[i]}` : `${cpus[i]}-${cpus[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}

/** The CPUs of all sets together, in order. */
export function union(sets: readonly (readonly number[])[]): number[] {
  return [...new Set(sets.flat())].sort((a, b) => a - b);
}

/** CPUs on which a process may run; undefined where the system does not say. */
export function cpusOfProcess(pid: number | 'self'): number[] | undefined {
  try {
    const list = /^Cpus_allowed_list:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return list === undefined ? undefined : parseCpus(list);
  } catch {
    return undefined;
  }
}
