/**
 * Philox4x32-10, a counter-based random generator (Salmon et al. 2011, "Parallel random numbers: as easy as
 * 1, 2, 3"): 128 random bits are a function of a 64-bit key and a 128-bit counter, so any number of a stream
 * is had without the ones before it. The same as in native/base.
 */

// Held here because in a vm context (jest) every look-up of a global is some hundred times slower
// than the arithmetic.
const { floor, imul } = Math;

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Each partial product is below 2^32 and each sum below 2^34: exact as doubles.
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = aLow * bHigh + (cross % 0x10000);
  return (aHigh * bHigh + floor(cross / 0x10000) + floor(middle / 0x10000)) >>> 0;
}

/** Writes the four 32-bit words of (key, counter) into `out`. All numbers are taken modulo 2^32. */
export function philox(
  out: Uint32Array,
  key0: number,
  key1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
): void {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let k0 = key0 >>> 0;
  let k1 = key1 >>> 0;
  for (let round = 0; round < 10; round++) {
    const low0 = imul(M0, x0);
    const high0 = mulHigh(M0, x0);
    const low1 = imul(M1, x2);
    const high1 = mulHigh(M1, x2);
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1 >>> 0;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0 >>> 0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}
