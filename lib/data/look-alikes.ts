/** Finds pictures that look the same among many, by their grey copies. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { differenceHash, differingBits, THUMBNAIL_BYTES } from './difference-hash';
import { identity } from './order';
import { inSlices } from './slices';

/**
 * The most bits in which the hashes of two copies of a picture differ, and the least correlation of their
 * grey copies. JPEG of quality 30 leaves 99.6% of CIFAR-10's images (at 160x128) within 7 bits, and 93%
 * within 3. Such hashes alone would say too little: 11,000 pairs of the images have them, and most of these
 * show different things. But 900 pairs correlate by 0.95 as well, and nearly all of them are the same picture
 * (82 of 84 that we looked at).
 */
const MOST_BITS = 7;
const LEAST_CORRELATION = 0.95;
/** More than MOST_BITS: hashes that differ in so few bits are the same in one band at least. */
const BANDS = MOST_BITS + 1;
/** Pairs that are compared in one turn of the event loop: about half a millisecond. */
const PAIRS_PER_TURN = 1 << 17;
/** The bytes that can be copied in the time that hashing a picture, or finding its run, takes. */
const HASH_COST = 1 << 11;

/**
 * Groups of two or more pictures that look the same, by their grey copies (as in difference-hash.ts): each
 * picture of a group is like another one of it. Positions ascend, in a group and from group to group.
 *
 * Two pictures are alike if their hashes differ in at most 7 of 64 bits and their copies correlate by 0.95.
 * Only pictures with the same bits in one of eight bands are compared (the pigeonhole principle: seven
 * differences leave a band untouched), and inside such a run only those that are not in one group yet. So
 * copies cost little, however many there are.
 */
export async function lookAlikes(thumbnails: readonly Uint8Array[]): Promise<number[][]> {
  const pictures = new Pictures(thumbnails);
  await pictures.hash();
  for (let band = 0; band < BANDS; band++)
    for (const run of await pictures.runs(band)) await pictures.join(run);
  return pictures.groups();
}

class Pictures {
  /** Two words for each picture. */
  private readonly hashes: Int32Array;
  /** Those that have a hash. */
  private readonly hashed: number[] = [];
  /** The sum of each copy's values, and 72^2 times their variance. */
  private readonly sums: Float64Array;
  private readonly spreads: Float64Array;
  /** Another one of the same group, which leads to the first one of it. */
  private readonly parents: Int32Array;
  private pairs = 0;

  constructor(private readonly thumbnails: readonly Uint8Array[]) {
    const { length } = thumbnails;
    this.hashes = new Int32Array(2 * length);
    this.sums = new Float64Array(length);
    this.spreads = new Float64Array(length);
    this.parents = identity(length);
  }

  async hash(): Promise<void> {
    await inSlices(this.thumbnails.length, HASH_COST, (begin, end) => {
      for (let i = begin; i < end; i++) {
        const grey = this.thumbnails[i]!;
        const hash = differenceHash(grey);
        if (hash === undefined) continue;
        this.hashes.set(hash, 2 * i);
        this.hashed.push(i);
        this.sums[i] = dot(grey, ONES);
        this.spreads[i] = THUMBNAIL_BYTES * dot(grey, grey) - this.sums[i]! ** 2;
      }
    });
  }

  /** Pictures whose hashes have the same bits in a band, two or more. */
  runs(band: number): Promise<number[][]> {
    const { hashes } = this;
    return this.grouped((i) => bandOf(hashes[2 * i]!, hashes[2 * i + 1]!, band));
  }

  groups(): Promise<number[][]> {
    return this.grouped((i) => this.first(i));
  }

  /** Finds the groups inside a run: from each picture to those like it, and on from these. */
  async join(run: readonly number[]): Promise<void> {
    let rest = [...run];
    while (rest.length > 1) {
      const found = [rest.pop()!];
      for (let from = found.pop(); from !== undefined && rest.length > 0; from = found.pop()) {
        const known = found.length;
        for (const to of rest) if (this.reaches(from, to)) found.push(to);
        this.pairs += rest.length;
        const group = this.first(from);
        if (found.length > known) rest = rest.filter((to) => this.first(to) !== group);
        if (this.pairs < PAIRS_PER_TURN) continue;
        this.pairs = 0;
        await nextTurn();
      }
    }
  }

  /** The hashed pictures that have a key in common, where those are two or more. */
  private async grouped(keyOf: (picture: number) => number): Promise<number[][]> {
    const groups = new Map<number, number[]>();
    await inSlices(this.hashed.length, HASH_COST, (begin, end) => {
      for (let at = begin; at < end; at++) {
        const picture = this.hashed[at]!;
        const key = keyOf(picture);
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [picture]);
        else group.push(picture);
      }
    });
    return [...groups.values()].filter((group) => group.length > 1);
  }

  /** Whether the hashes of two pictures are near, and they are of one group; alike ones are from now on. */
  private reaches(a: number, b: number): boolean {
    const { hashes } = this;
    const upper = differingBits(hashes[2 * a]!, hashes[2 * b]!);
    if (upper + differingBits(hashes[2 * a + 1]!, hashes[2 * b + 1]!) > MOST_BITS) return false;
    const [left, right] = [this.first(a), this.first(b)];
    if (left === right) return true;
    if (!this.correlate(a, b)) return false;
    this.parents[Math.max(left, right)] = Math.min(left, right);
    return true;
  }

  private correlate(a: number, b: number): boolean {
    const { sums, spreads, thumbnails } = this;
    const covariance = THUMBNAIL_BYTES * dot(thumbnails[a]!, thumbnails[b]!) - sums[a]! * sums[b]!;
    return covariance >= LEAST_CORRELATION * Math.sqrt(spreads[a]! * spreads[b]!);
  }

  /** The first picture of a group (union-find, which halves the way there). */
  private first(of: number): number {
    const { parents } = this;
    let at = of;
    while (parents[at] !== at) at = parents[at] = parents[parents[at]!]!;
    return at;
  }
}

const ONES = new Uint8Array(THUMBNAIL_BYTES).fill(1);

function dot(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < THUMBNAIL_BYTES; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Bit 31 - (8 y + x) of each word is in band (x + y) % 8, a diagonal. Comparisons beside and below each other
 * are often the same, so bands of neighbours would leave several times as many pairs.
 */
const DIAGONALS = Array.from({ length: BANDS }, (_, band) => {
  let mask = 0;
  for (let bit = 0; bit < 32; bit++) if (((bit & 7) + (bit >> 3)) % BANDS === band) mask |= 1 << (31 - bit);
  return mask;
});

/** The 8 bits of a band, in one word: a diagonal does not meet one that is rotated by a bit. */
function bandOf(upper: number, lower: number, band: number): number {
  const mask = DIAGONALS[band]!;
  const bits = lower & mask;
  return (upper & mask) | (bits << 1) | (bits >>> 31);
}
