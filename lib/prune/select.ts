/** Selects the elements to prune: the k lowest scores among those that are left. */

/** Scores of one parameter, none negative, and what is left of it; `mask` is changed. */
export interface Candidates {
  readonly scores: Float32Array;
  readonly mask: Float32Array;
}

const HALF = 0x10000;

/** Elements that are left. */
export function remaining(candidates: readonly Candidates[]): number {
  return candidates.reduce((sum, { mask }) => sum + count(mask), 0);
}

export function count(mask: ArrayLike<number>): number {
  let n = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i]! > 0) n++;
  return n;
}

/**
 * Takes the `k` elements with the lowest scores out of the masks; among equal ones the first go. Numbers that
 * are not negative are ordered as their bits are, so two histograms of 16 bits find the limit without
 * sorting. NaN counts as the highest.
 */
export function dropLowest(candidates: readonly Candidates[], k: number): void {
  if (k <= 0) return;
  const views = candidates.map(({ scores, mask }) => ({ bits: bitsOf(scores), mask }));
  const high = search(views, k, (bits) => bits >>> 16);
  const low = search(views, k - high.below, (bits) => (bits >>> 16 === high.bin ? bits & 0xffff : -1));
  const limit = high.bin * HALF + low.bin;
  let ties = k - high.below - low.below;
  for (const { bits, mask } of views) {
    for (let i = 0; i < bits.length; i++) {
      if (!(mask[i]! > 0) || bits[i]! > limit) continue;
      if (bits[i]! < limit || ties-- > 0) mask[i] = 0;
    }
  }
}

interface View {
  readonly bits: Uint32Array;
  readonly mask: Float32Array;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** The first bin with which `k` elements are reached, and how many are in the bins below it. */
function search(
  views: readonly View[],
  k: number,
  binOf: (bits: number) => number,
): { bin: number; below: number } {
  const counts = new Float64Array(HALF);
  for (const { bits, mask } of views) {
    for (let i = 0; i < bits.length; i++) {
      if (!(mask[i]! > 0)) continue;
      const bin = binOf(bits[i]!);
      if (bin >= 0) counts[bin]!++;
    }
  }
  let below = 0;
  for (let bin = 0; bin < HALF; bin++) {
    if (below + counts[bin]! >= k) return { bin, below };
    below += counts[bin]!;
  }
  return { bin: HALF - 1, below };
}
