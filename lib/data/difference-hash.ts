/**
 * The difference hash of a picture: whether each pixel of a small grey copy is lighter than the one to its
 * left (N. Krawetz, "Kind of Like That", hackerfactor.com, 2013). Resizing and compressing a picture again
 * change few of its bits.
 */

// Held here because in a vm context (jest) every look-up of a global is slow.
const { imul } = Math;

/** The grey copy: 8 rows of 9 pixels, whose neighbours make 64 comparisons. */
export const THUMBNAIL = { height: 8, width: 9 } as const;
/** Bytes of the grey copy. */
export const THUMBNAIL_BYTES = THUMBNAIL.height * THUMBNAIL.width;

/** A smaller difference of two neighbours, of 255, may be noise of the compression. */
const CLEAR_DIFFERENCE = 4;
/**
 * How many of the 64 comparisons must be clear. Below it the picture is flat or a gradient from top to
 * bottom, and its bits say little: the hashes of a grey wall and of a night sky can be the same. On CIFAR-10,
 * 0.5% of the images have less.
 */
const CLEAR_COMPARISONS = 16;

/**
 * The 64 bits of a grey copy, row by row from the highest bit down: those of its upper and of its lower
 * half. Undefined where too few neighbours differ for the bits to mean anything.
 */
export function differenceHash(grey: Uint8Array): readonly [upper: number, lower: number] | undefined {
  const words: [number, number] = [0, 0];
  const half = THUMBNAIL_BYTES / 2;
  let clear = 0;
  for (let at = 0; at < THUMBNAIL_BYTES; at++) {
    if (at % THUMBNAIL.width === 0) continue;
    const difference = grey[at]! - grey[at - 1]!;
    if (Math.abs(difference) >= CLEAR_DIFFERENCE) clear++;
    const word = at < half ? 0 : 1;
    words[word] = ((words[word] << 1) | (difference > 0 ? 1 : 0)) >>> 0;
  }
  return clear < CLEAR_COMPARISONS ? undefined : words;
}

/** The number of bits in which two words differ. */
export function differingBits(a: number, b: number): number {
  let bits = a ^ b;
  bits -= (bits >>> 1) & 0x55555555;
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  bits = (bits + (bits >>> 4)) & 0x0f0f0f0f;
  return imul(bits, 0x01010101) >>> 24;
}
