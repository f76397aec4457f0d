/** Beside what torchvision 0.29 made of one image: test/fixtures/make_augmentations.py. */
import * as augment from '../../lib/augment';
import { streamKey } from '../../lib/random';
import { values } from '../fixtures/augmentations.json';
import { differences } from './geometry';

const [H, W] = [14, 18];

/** The same numbers as in the script. */
function image(width = W): augment.Pixels {
  const pixels: number[] = [];
  for (let y = 0; y < H; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const bend = Math.floor((Math.floor((x - 9) ** 2 / 4) * (c + 1)) / 2);
        pixels.push((40 + 9 * x + 4 * y + 17 * c - bend + 256) % 256);
      }
  return { pixels: Uint8Array.from(pixels), shape: [H, width, 3] };
}

const nearest = { interpolation: 'nearest' } as const;
const exactly = (angle: number): readonly [number, number] => [angle, angle];

const CASES: Readonly<Record<string, augment.Augmentation>> = {
  flip: augment.flip({ p: 1 }),
  verticalFlip: augment.verticalFlip({ p: 1 }),
  rotate: augment.rotate(exactly(25), { fill: [90, 10, 200] }),
  'rotate, nearest': augment.rotate(exactly(-70), { ...nearest, fill: 3 }),
  affine: augment.affine(exactly(20), { scale: [0.8, 0.8], shear: [10, 10, -6, -6], fill: 60 }),
  'affine, nearest': augment.affine(exactly(-130), {
    ...nearest,
    scale: [1.4, 1.4],
    shear: [-25, -25, 12, 12],
    fill: 60,
  }),
  shear: augment.shear(exactly(30)),
  scale: augment.scale([0.6, 0.6], { fill: 255 }),
  resize: augment.randomResizedCrop([25, 19], { scale: [1, 1], ratio: [1, 1] }),
  elastic: augment.elastic({ alpha: 30, sigma: 2 }),
};

/** What torchvision blends with the fill at the edges of a tensor is left out: a margin of pixels. */
function within(pixels: ArrayLike<number>, width: number, height: number, margin: number): number[] {
  return Array.from(pixels).filter((_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return Math.min(x, y, width - 1 - x, height - 1 - y) >= margin;
  });
}

test("the script has the stream's key", () => {
  expect(streamKey(5, 'augment')).toEqual([2267863441, 109449573]);
});

test.each(values)('$name', async ({ name, shape, pixels }) => {
  const input = name === 'resize' ? image(H) : image();
  const got = await augment.apply([CASES[name]!], input, { seed: 5 });
  expect(got.shape).toEqual(shape);
  const [height = 0, width = 0] = shape;
  const margin = name === 'elastic' ? 4 : 0;
  const [ours, theirs] = [got.pixels, Buffer.from(pixels, 'base64')].map((all) =>
    within(all, width, height, margin),
  );
  const { mean, p99 } = differences(ours!, theirs!);
  const exact = /flip|nearest/i.test(name);
  // Pillow cuts off what interpolation leaves behind the point; tenon rounds.
  expect(mean).toBeLessThanOrEqual(exact ? 0 : 1);
  expect(p99).toBeLessThanOrEqual(exact ? 0 : 1);
});
