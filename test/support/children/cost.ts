/** The child of ../cost.ts: calls one function and prints what it cost. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Cost } from '../cost';

const SCHEDULE = '/proc/thread-self/schedstat';
const STATUS = '/proc/self/status';
const linux = existsSync(SCHEDULE);

/** Processor time of this thread so far. */
function threadMs(): number {
  return linux ? Number(readFileSync(SCHEDULE, 'utf8').split(' ')[0]) / 1e6 : performance.now();
}

/**
 * Resident memory: now, or its peak since this process began. (What getrusage calls the peak includes that
 * of the parent.)
 */
function residentBytes(field: 'VmRSS' | 'VmHWM'): number {
  const found = linux ? new RegExp(`${field}:\\s*(\\d+)`).exec(readFileSync(STATUS, 'utf8')) : null;
  if (found !== null) return Number(found[1]) * 1024;
  return field === 'VmRSS' ? process.memoryUsage.rss() : process.resourceUsage().maxRSS * 1024;
}

/** Makes the peak what is resident now: loading the modules may have taken more. */
function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere than on Linux what loading took hides as much of what the call takes.
  }
}

/** Watches the turns of the event loop; the last one ends with the call of the function returned. */
function watchTurns(): () => number {
  let last = threadMs();
  let longest = 0;
  const turn = (): void => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(turn, 1).unref();
  return () => {
    clearInterval(timer);
    turn();
    return longest;
  };
}

async function settle(called: unknown): Promise<unknown> {
  if (typeof called !== 'object' || called === null || !(Symbol.asyncIterator in called)) return called;
  let count = 0;
  for await (const value of called as AsyncIterable<unknown>) if (value !== undefined) count++;
  return count;
}

function describe(thrown: unknown): NonNullable<Cost['error']> {
  const { name, code, message } = thrown as { name: string; code?: string; message: string };
  return { name, message, ...(code === undefined ? {} : { code }) };
}

/** Whether a value is worth printing: results of megabytes are not. */
function small(value: unknown): boolean {
  return value === undefined || (JSON.stringify(value) ?? '').length < 1e4;
}

async function main([file, name, args]: readonly string[]): Promise<void> {
  const exported = (await import(file!)) as Record<string, (...args: unknown[]) => unknown>;
  const call = exported[name!]!;
  resetPeak();
  const before = residentBytes('VmRSS');
  const stop = watchTurns();
  const report = (result: Pick<Cost, 'value' | 'error'>): void => {
    const longestTurnMs = stop();
    const grownBytes = residentBytes('VmHWM') - before;
    console.log(JSON.stringify({ ...result, grownBytes, longestTurnMs } satisfies Cost));
  };
  // The event loop is empty and nothing has settled. (The timer of watchTurns does not keep it alive.)
  const onExit = (): void =>
    report({ error: { name: 'NeverSettled', message: 'the promise never settled' } });
  process.once('exit', onExit);
  const result: Pick<Cost, 'value' | 'error'> = await Promise.resolve()
    .then(() => settle(call(...(JSON.parse(args!) as unknown[]))))
    .then(
      (value) => (typeof value !== 'object' && small(value) ? { value } : {}),
      (thrown: unknown) => ({ error: describe(thrown) }),
    );
  process.off('exit', onExit);
  report(result);
}

void main(process.argv.slice(2));
