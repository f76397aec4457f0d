/** Images for tests of augmentation, and an independent statement of what draws are. */
import { philox } from '../../lib/philox';
import { streamKey } from '../../lib/random';
import type { Pixels } from '../../lib/augment';

/** Smooth images with an edge: what interpolation gets wrong shows, and is not noise. */
export function picture(count: number, h: number, w: number, c: number): Pixels {
  const pixels = new Uint8Array(count * h * w * c);
  let at = 0;
  for (let n = 0; n < count; n++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let ch = 0; ch < c; ch++) {
          const wave = Math.sin((x + 3 * n) / 3 + ch) + Math.cos(y / 4 - ch + n);
          pixels[at++] = Math.round(128 + 45 * wave + (x > y ? 30 : -30));
        }
  return { pixels, shape: [count, h, w, c] };
}

/** The stream of one augmentation of one sample. */
export class Stream {
  private readonly words = new Uint32Array(4);
  private used = 4;
  private block: number;
  private readonly key: readonly [number, number];

  constructor(
    seed: number,
    private readonly sample: number,
    place: number,
    private readonly epoch = 0,
    private readonly occurrence = 0,
  ) {
    this.key = streamKey(seed, 'augment');
    this.block = place * 2 ** 20;
  }

  word(): number {
    if (this.used === 4) {
      philox(this.words, ...this.key, this.sample, this.occurrence, this.block++, this.epoch);
      this.used = 0;
    }
    return this.words[this.used++]!;
  }

  uniform(low = 0, high = 1): number {
    return low + Math.floor(this.word() / 256) * 2 ** -24 * (high - low);
  }

  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }
}

/** The first words of the stream of a key that an operation draws for its pixels. */
export function wordsOf(key: readonly [number, number], count: number): number[] {
  const words = new Uint32Array(4);
  return Array.from({ length: count }, (_, i) => {
    if (i % 4 === 0) philox(words, ...key, i / 4, 0, 0, 0);
    return words[i % 4]!;
  });
}
