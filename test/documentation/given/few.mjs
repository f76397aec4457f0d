// Sets of a few small images, for other modules here.
import { data } from 'tenon';

/**
 * Images of 32x32 pixels that are noise, of each class as often as of any other.
 * @param {number} count @param {number} classes
 */
export const fewImages = (count, classes) =>
  data.fromArrays({
    images: Uint8Array.from(
      { length: count * 32 * 32 * 3 },
      (_, i) => Math.imul(i + count, 2654435761) >>> 24,
    ),
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    shape: [32, 32, 3],
    classNames: Array.from({ length: classes }, (_, i) => `class ${i}`),
  });
