/**
 * The order of samples in an epoch. It is a function of (seed, stream, epoch) and nothing else, so resuming
 * needs only these numbers.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { streamKey, type StreamKey } from '../random';
import { philox } from '../philox';

// Held here because in a vm context (jest) every look-up of a global is some hundred times slower
// than the arithmetic.
const { floor } = Math;

/** Swaps made in one turn of the event loop: about two milliseconds. */
const SLICE = 1 << 14;

/**
 * The numbers 0 to length - 1 in random order (Fisher & Yates 1938, in Durstenfeld's form), drawn by
 * Philox with the key (seed, stream) and the counter (draw / 4, 0, 0, epoch). The event loop turns
 * every two milliseconds.
 */
export async function shuffled(length: number, seed: number, stream: string, epoch = 0): Promise<Int32Array> {
  const order = identity(length);
  for (let end = length; end > 1; end -= SLICE) {
    if (end < length) await nextTurn();
    swapDown(order, end, Math.max(1, end - SLICE), streamKey(seed, stream), epoch);
  }
  return order;
}

/** As {@link shuffled}, without turns of the event loop: 2 ms for 16,000 numbers. */
export function shuffledSync(length: number, seed: number, stream: string, epoch = 0): Int32Array {
  const order = identity(length);
  swapDown(order, length, 1, streamKey(seed, stream), epoch);
  return order;
}

/**
 * `count` whole numbers below `length`, each drawn by itself: draw i is word i % 4 of Philox at the counter
 * (i / 4, 0, 0, 0).
 */
export function drawn(count: number, length: number, seed: number, stream: string): Int32Array {
  const [key0, key1] = streamKey(seed, stream);
  const words = new Uint32Array(4);
  return Int32Array.from({ length: count }, (_, i) => {
    if (i % 4 === 0) philox(words, key0, key1, i >> 2, 0, 0, 0);
    return floor((words[i & 3]! / 2 ** 32) * length);
  });
}

/** 0, 1, ..., length - 1. */
export function identity(length: number): Int32Array {
  const order = new Int32Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  return order;
}

/**
 * Positions end - 1 down to `low` each swap with a random one at or below them. Position i is draw
 * `length - 1 - i`.
 */
function swapDown(order: Int32Array, end: number, low: number, [key0, key1]: StreamKey, epoch: number): void {
  const words = new Uint32Array(4);
  let block = -1;
  for (let i = end - 1; i >= low; i--) {
    const draw = order.length - 1 - i;
    if (draw >> 2 !== block) {
      block = draw >> 2;
      philox(words, key0, key1, block, 0, 0, epoch);
    }
    const j = floor((words[draw & 3]! / 2 ** 32) * (i + 1));
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
}
