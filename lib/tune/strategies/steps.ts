/** Long computations in short steps, between which a process can do something else. */
import { setImmediate } from 'node:timers/promises';

/** Yields after each step, and returns the result. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Milliseconds of computing before the event loop has its turn. */
const TURN = 10;

/** The result, while the caller waits. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The result, while the event loop runs. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (let began = performance.now(); ;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - began < TURN) continue;
    await setImmediate();
    began = performance.now();
  }
}
