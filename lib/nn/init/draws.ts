/**
 * Random numbers for initial weights that are computed in JavaScript, in double precision, from the streams
 * that kernels draw from.
 */
import { philox } from '../../philox';
import { streamKey } from '../../random';

/** Draws of one stream: a function of (seed, name, index, attempt). */
export class Draws {
  private readonly words = new Uint32Array(4);
  private readonly key: readonly [number, number];

  constructor(seed: number, name: string) {
    this.key = streamKey(seed, name);
  }

  /** Two numbers in (0, 1). */
  uniforms(index: number, attempt = 0): [number, number] {
    const high = Math.floor(index / 2 ** 32);
    philox(this.words, this.key[0], this.key[1], index, high, attempt, 1);
    return [(this.words[0]! + 0.5) / 2 ** 32, (this.words[1]! + 0.5) / 2 ** 32];
  }

  /** Standard normal (Box & Muller 1958). */
  normal(index: number): number {
    const [u, v] = this.uniforms(index);
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }
}
