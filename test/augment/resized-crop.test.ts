/** randomResizedCrop with antialiasing, beside the filter in float64 and beside torchvision 0.29. */
import * as augment from '../../lib/augment';
import { values } from '../fixtures/resized_crops.json';
import { affineStep, antialiased, composite, differences, resizedCropStep } from './geometry';
import { picture, Stream } from './support';

const scale = [0.3, 0.8] as const;
const ratio = [0.8, 1.2] as const;

const CASES: readonly (readonly [size: readonly [number, number, number], out: readonly [number, number]])[] =
  [
    [
      [32, 32, 3],
      [10, 14],
    ],
    [
      [33, 47, 1],
      [5, 3],
    ],
    [
      [64, 40, 3],
      [4, 50],
    ],
    [
      [40, 64, 4],
      [61, 7],
    ],
    [
      [9, 9, 3],
      [1, 1],
    ],
    [
      [96, 90, 3],
      [2, 3],
    ],
  ];

/** Windows of some images after `more`, and what the filter makes of them in float64. */
async function bothOf(
  [h, w, c]: readonly [number, number, number],
  out: readonly [number, number],
  more: readonly augment.Augmentation[] = [],
): Promise<{ got: Uint8Array; wanted: number[][] }> {
  const images = picture(6, h, w, c);
  const { pixels } = await augment.apply(
    [augment.randomResizedCrop(out, { scale, ratio }), ...more],
    images,
    {
      seed: 5,
    },
  );
  const wanted = Array.from({ length: 6 }, (_, n) => {
    const { window } = resizedCropStep([h, w], out, scale, ratio, new Stream(5, n, 1));
    return antialiased(images.pixels.subarray(n * h * w * c), [h, w], c, window, out);
  });
  return { got: pixels, wanted };
}

describe('beside the filter in float64', () => {
  test.each(CASES)('%j to %j', async (size, out) => {
    const { got, wanted } = await bothOf(size, out);
    const { mean, p99 } = differences(got, wanted.flat());
    expect(mean).toBeLessThan(0.5);
    expect(p99).toBeLessThanOrEqual(1);
  });

  test('mirrored in the same resampling', async () => {
    const [h, w] = [10, 14];
    const { got, wanted } = await bothOf(
      [32, 32, 3],
      [h, w],
      [augment.flip({ p: 1 }), augment.verticalFlip({ p: 1 })],
    );
    const turned = wanted.map((image) => image.map((_, i) => image[image.length - 3 - i + 2 * (i % 3)]!));
    expect(differences(got, turned.flat()).p99).toBeLessThanOrEqual(1);
  });

  test('a turn behind a window that was shrunk is a resampling of its own', async () => {
    const { got, wanted } = await bothOf([32, 32, 3], [10, 14], [augment.rotate([30, 30])]);
    const turn = affineStep([10, 14], [-30, 0, 0, 1, 0, 0], 0);
    const turned = wanted.map((image) => composite(image.map(Math.round), 3, [turn]));
    expect(differences(got, turned.flat()).p99).toBeLessThanOrEqual(2);
  });

  test('an image of one colour keeps it', async () => {
    for (const value of [0, 1, 128, 254, 255]) {
      const grey = { pixels: new Uint8Array(70 * 90 * 3).fill(value), shape: [70, 90, 3] };
      const { pixels } = await augment.apply([augment.randomResizedCrop([11, 6])], grey);
      expect(new Set(pixels)).toEqual(new Set([value]));
    }
  });
});

/** The same numbers as in test/fixtures/make_resized_crops.py. */
function texture(height: number, width: number): augment.Pixels {
  const pixels = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
    return (x * x * 7 + y * y * 5 + x * y * 3 + 90 * c + 40 * (Math.floor(x / 6) % 2)) % 256;
  });
  return { pixels, shape: [height, width, 3] };
}

test.each(values)('torchvision: $from to $to', async ({ from, to, pixels }) => {
  const [height = 0, width = 0] = from;
  const [h = 0, w = 0] = to;
  const whole = { scale: [1, 1], ratio: [width / height, width / height] } as const;
  const got = await augment.apply([augment.randomResizedCrop([h, w], whole)], texture(height, width));
  const theirs = Buffer.from(pixels, 'base64');
  const { mean, p99 } = differences(got.pixels, theirs);
  expect(mean).toBeLessThanOrEqual(1);
  expect(p99).toBeLessThanOrEqual(3);
  const rough = await augment.apply(
    [augment.randomResizedCrop([h, w], { ...whole, antialias: false })],
    texture(height, width),
  );
  // Without antialiasing the tolerance does not hold where a side shrinks.
  if (h < height || w < width) expect(differences(rough.pixels, theirs).p99).toBeGreaterThan(3);
});
