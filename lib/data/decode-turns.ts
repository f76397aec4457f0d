/** Which images are decoded at the same time: how many, and of large ones how much memory they take together. */
import { availableParallelism } from 'node:os';

/**
 * Decodes run in libuv's pool, which files and name look-ups need too, so one of its threads (4 by default) stays free; and no more at once
 * than cores: measured on 2 cores, 2 at once were as fast as 16 and kept the event loop's 99th percentile at 2 ms instead of 15.
 */
const MAX_AT_ONCE = Math.max(
  1,
  Math.min(availableParallelism(), (Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1),
);
/** Bytes that decodes of large images may take together. One that takes more by itself runs when no other large one does. */
const MAX_BYTES = 2 ** 29;

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

let running = 0;
let taken = 0;
const waiting: Waiting[] = [];

function hasRoomFor(bytes: number): boolean {
  return running < MAX_AT_ONCE && (bytes === 0 || taken === 0 || taken + bytes <= MAX_BYTES);
}

/** Runs `job`, which takes `bytes` of memory (0 of a small image), when there is room for it: first come, first served. */
export async function inTurn<T>(bytes: number, job: () => Promise<T>): Promise<T> {
  if (waiting.length > 0 || !hasRoomFor(bytes))
    await new Promise<void>((start) => waiting.push({ bytes, start }));
  else enter(bytes);
  try {
    return await job();
  } finally {
    running--;
    taken -= bytes;
    startNext();
  }
}

function enter(bytes: number): void {
  running++;
  taken += bytes;
}

function startNext(): void {
  for (let next = waiting[0]; next !== undefined && hasRoomFor(next.bytes); next = waiting[0]) {
    waiting.shift();
    enter(next.bytes);
    next.start();
  }
}
