/** Images of noise, for checks of speed and of bits. */
import { createHash } from 'node:crypto';
import { data } from 'tenon';

/** So many square images in 10 classes, the same every time. */
export function randomImages(count, side = 32) {
  const bytes = createHash('shake256', { outputLength: count * side * side * 3 })
    .update('images')
    .digest();
  return data.fromArrays({
    images: bytes,
    labels: bytes.subarray(0, count).map((b) => b % 10),
    shape: [side, side, 3],
  });
}
