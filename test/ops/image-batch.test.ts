import { DataError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import * as ops from '../../lib/ops';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { expectClose } from './support';

const epoch = runtimeScalar(() => 3);
const plain = { seed: 1, flip: 0, padding: 0 };

/** Three images of 2 channels, 4 x 5; pixel values tell where they came from. */
const pixels = Uint8Array.from({ length: 3 * 2 * 4 * 5 }, (_, i) => (i * 7) % 256);
const images = tensor(pixels, [3, 2, 4, 5]);
const [mean, std] = [tensor([0.1, 0.2]), tensor([0.5, 0.25])];

function batch(index: number[], options: Partial<ops.ImageBatchOptions> = {}): ArrayLike<number> {
  const fn = compile((data: Tensor, i: Tensor) =>
    ops.imageBatch(data, i, mean, std, epoch, { ...plain, size: [4, 5], ...options }),
  );
  return fn.runSync(images, tensor(Int32Array.from(index))).dataSync();
}

function pixel(image: number, c: number, h: number, w: number): number {
  const inside = h >= 0 && h < 4 && w >= 0 && w < 5;
  const raw = inside ? pixels[((image * 2 + c) * 4 + h) * 5 + w]! / 255 : 0;
  return (raw - [0.1, 0.2][c]!) / [0.5, 0.25][c]!;
}

/** The image with this offset and flip, if `actual` is one; undefined otherwise. */
function identify(
  actual: ArrayLike<number>,
  image: number,
  padding: number,
  [height, width]: readonly [number, number],
): string | undefined {
  for (let top = -padding; top <= 4 + padding - height; top++)
    for (let left = -padding; left <= 5 + padding - width; left++)
      for (const flip of [false, true]) {
        let same = true;
        for (let c = 0; c < 2; c++)
          for (let h = 0; h < height; h++)
            for (let w = 0; w < width; w++) {
              const at = flip ? width - 1 - w : w;
              if (
                !(
                  Math.abs(actual[(c * height + h) * width + w]! - pixel(image, c, top + h, left + at)) < 1e-5
                )
              )
                same = false;
            }
        if (same) return `${top},${left},${flip}`;
      }
  return undefined;
}

describe('imageBatch', () => {
  it('picks and normalizes', () => {
    const expected: number[] = [];
    for (const image of [2, 0, 2])
      for (let c = 0; c < 2; c++)
        for (let h = 0; h < 4; h++) for (let w = 0; w < 5; w++) expected.push(pixel(image, c, h, w));
    expectClose(batch([2, 0, 2]), expected, 1e-6, 'batch');
  });

  it('flips and crops at random, as a function of seed, epoch and image alone', () => {
    const options = { flip: 0.5, padding: 2, size: [4, 5] as const };
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const one = batch([1], { ...options, seed });
      const found = identify(one, 1, 2, [4, 5]);
      expect(found).toBeDefined();
      seen.add(found!);
      expect(Array.from(batch([0, 1], { ...options, seed })).slice(40)).toEqual(Array.from(one));
    }
    expect(seen.size).toBeGreaterThan(20);
    expect([...seen].some((s) => s.endsWith('true')) && [...seen].some((s) => s.endsWith('false'))).toBe(
      true,
    );
  });

  it('crops smaller pieces', () => {
    expect(identify(batch([2], { size: [3, 2] }), 2, 0, [3, 2])).toBeDefined();
  });

  it('rejects indices outside the data set and crops that do not fit', () => {
    expect(() => batch([0, 3])).toThrow(DataError);
    expect(() => batch([-1])).toThrow(DataError);
    expect(() => batch([0], { size: [5, 5] })).toThrow(ShapeError);
  });
});
