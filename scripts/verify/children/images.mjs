/** Images of noise, for checks of speed and of bits. */
import { createHash } from 'node:crypto';
import { data } from 'tenon';

/** So many images of 32x32 in 10 classes, the same every time. */
export function randomImages(count) {
  const bytes = createHash('shake256', { outputLength: count * 32 * 32 * 3 })
    .update('images')
    .digest();
  return data.fromArrays({
    images: bytes,
    labels: bytes.subarray(0, count).map((b) => b % 10),
    shape: [32, 32, 3],
  });
}
