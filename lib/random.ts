/**
 * Keys of the Philox streams (native/base/philox.h): every random number is a function of (seed, stream
 * name, step, position).
 */
import { nonNegativeInteger } from './options';
import { runtimeScalar, type Tensor } from './tensor/tensor';

/** Two 32-bit words. */
export type StreamKey = readonly [number, number];

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Hash of (seed, stream name): two independently seeded passes of the MurmurHash3 finalizer
 * over UTF-16 units.
 */
export function streamKey(seed: number, stream: string): StreamKey {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const pass = (start: number): number => {
    let h = mix(mix(start ^ low) ^ high);
    for (let i = 0; i < stream.length; i++) h = mix(h ^ Math.imul(stream.charCodeAt(i) + 1, 0x9e3779b1));
    return mix(h ^ stream.length);
  };
  return [pass(0x243f6a88), pass(0x85a308d3)];
}

/** Seed and global step of everything random in a compiled function. */
export class RandomState {
  readonly seed: number;
  /** Part of every draw's counter. A compiled function that draws random numbers adds one per run. */
  step = 0;
  /** The first example of the batch, where the draws of an example must not depend on its batch. */
  example = 0;
  readonly stepScalar: Tensor;
  readonly exampleScalar: Tensor;

  constructor(seed = 0) {
    this.seed = nonNegativeInteger('RandomState', 'seed', seed);
    this.stepScalar = runtimeScalar(() => this.step);
    this.exampleScalar = runtimeScalar(() => this.example);
  }
}

/** What compile() uses when it is given no state of its own. */
export const defaultRandom = new RandomState(0);
