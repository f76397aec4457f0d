/**
 * Sorts as many names as a data set may have. Sorting a million at once would hold the event
 * loop for seconds.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items that are sorted, or merged, in one turn of the event loop. */
const RUN = 4096;

/** Order of strings by code unit, which is the same on every machine and in every locale. */
export function byCodeUnit(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * What `[...items].sort(compare)` returns, stable as that is, with turns of the event loop between parts
 * of the work.
 */
export async function sortInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<T[]> {
  let from: T[] = [];
  for (let at = 0; at < items.length; at += RUN) {
    if (at > 0) await nextTurn();
    for (const item of items.slice(at, at + RUN).sort(compare)) from.push(item);
  }
  for (let run = RUN; run < from.length; run *= 2) {
    const to: T[] = [];
    for (let at = 0; at < from.length; at += 2 * run) await merge(from, at, run, to, compare);
    from = to;
  }
  return from;
}

/** Appends to `to` the merge of the two sorted runs of `run` items, or fewer at the end, from `begin` on. */
async function merge<T>(
  from: readonly T[],
  begin: number,
  run: number,
  to: T[],
  compare: (a: T, b: T) => number,
): Promise<void> {
  const middle = Math.min(begin + run, from.length);
  const end = Math.min(middle + run, from.length);
  let [left, right] = [begin, middle];
  while (left < middle || right < end) {
    const takeLeft = right === end || (left < middle && compare(from[left]!, from[right]!) <= 0);
    to.push(from[takeLeft ? left++ : right++]!);
    if (to.length % RUN === 0) await nextTurn();
  }
}
