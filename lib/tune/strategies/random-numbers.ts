/** Random numbers for one suggestion, from Philox: a function of the seed, a name and the trial's number. */
import { philox } from '../../philox';
import { streamKey, type StreamKey } from '../../random';

/** Draws numbers one after the other. */
export class Random {
  private readonly key: StreamKey;
  private readonly words = new Uint32Array(4);
  private block = 0;
  private spare: number | undefined;

  constructor(
    seed: number,
    stream: string,
    private readonly number: number,
  ) {
    this.key = streamKey(seed, `tune ${stream}`);
  }

  /** From 0 to below 1, with 53 bits. */
  uniform(): number {
    philox(this.words, ...this.key, this.block++, this.number, 0, 0);
    const [high = 0, low = 0] = this.words;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.min(Math.floor(this.uniform() * count), count - 1);
  }

  /** Standard normal, by Box and Muller's method. */
  normal(): number {
    if (this.spare !== undefined) {
      const { spare } = this;
      this.spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The numbers from 0 to below `count` in random order (Fisher and Yates). */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    return order;
  }
}
