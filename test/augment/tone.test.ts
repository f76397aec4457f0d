/**
 * Augmentations of colours and filters against Pillow and torchvision (test/fixtures/make_augment_tone.py).
 */
import { augment, OptionError } from '../../lib';
import type { Augmentation, Pixels } from '../../lib/augment';
import { fromArrays } from '../../lib/data';
import fixture from '../fixtures/augment_tone.json';
import { uniform } from '../fixtures/numbers';

const [HEIGHT = 0, WIDTH = 0] = fixture.values.size;
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));

type Parameter = number | readonly number[] | null;

const one = (value: Parameter): [number, number] => [value as number, value as number];

/** How each operation of the fixture is made here, always happening. */
const MAKERS: Readonly<Record<string, (value: Parameter) => Augmentation>> = {
  brightness: (value) => augment.brightness(one(value)),
  contrast: (value) => augment.contrast(one(value)),
  saturation: (value) => augment.saturation(one(value)),
  sharpness: (value) => augment.sharpness(value as number, { p: 1 }),
  invert: () => augment.invert({ p: 1 }),
  equalize: () => augment.equalize({ p: 1 }),
  autocontrast: () => augment.autocontrast({ p: 1 }),
  posterize: (value) => augment.posterize(value as number, { p: 1 }),
  solarize: (value) => augment.solarize(value as number, { p: 1 }),
  gamma: (value) => augment.gamma(one(value)),
  grayscale: () => augment.grayscale({ p: 1 }),
  hue: (value) => augment.hue(one(value)),
  gaussianBlur: (value) => {
    const [size, sigma] = value as readonly [number, number];
    return augment.gaussianBlur(size, { sigma });
  },
};

/** What torchvision computes in float32, ours in other steps: a level may differ, here and there. */
const WITHIN_ONE = new Set(['hue', 'gaussianBlur', 'gamma']);

describe.each(fixture.values.images.map((image) => [image.channels, image] as const))(
  'images of %p channels',
  (channels, image) => {
    const pixels: Pixels = { pixels: bytes(image.bytes), shape: [HEIGHT, WIDTH, channels] };
    it.each(image.results as [string, Parameter, string][])('%s %p', async (name, value, expected) => {
      const { pixels: actual } = await augment.apply([MAKERS[name]!(value)], pixels);
      if (!WITHIN_ONE.has(name)) {
        expect(Array.from(actual)).toEqual(Array.from(bytes(expected)));
        return;
      }
      const errors = bytes(expected).map((y, i) => Math.abs(y - actual[i]!));
      expect(Math.max(...errors)).toBeLessThanOrEqual(1);
      expect(errors.filter((error) => error > 0).length).toBeLessThanOrEqual(errors.length / 100);
    });
  },
);

it('equalize, where there are pixels enough', async () => {
  const { size, bytes: before, result } = fixture.values.equalize;
  const { pixels } = await augment.apply([augment.equalize({ p: 1 })], {
    pixels: bytes(before),
    shape: size,
  });
  expect(pixels).toEqual(bytes(result));
  expect(pixels).not.toEqual(bytes(before));
});

const COLOURS: Pixels = { pixels: bytes(fixture.values.images[0]!.bytes), shape: [HEIGHT, WIDTH, 3] };

/** Many copies of the picture, each its own sample. */
function copies(count: number, from: Pixels = COLOURS): Pixels {
  const pixels = new Uint8Array(count * from.pixels.length);
  for (let i = 0; i < count; i++) pixels.set(from.pixels, i * from.pixels.length);
  return { pixels, shape: [count, ...from.shape] };
}

function images({ pixels, shape: [count = 1] }: Pixels): Uint8Array[] {
  const size = pixels.length / count;
  return Array.from({ length: count }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
}

const key = (image: Uint8Array): string => Buffer.from(image).toString('base64');

it('p is the share of images that change; the defaults are those of torchvision', async () => {
  const cases: [Augmentation, number][] = [
    [augment.invert(), 0.5],
    [augment.solarize(128), 0.5],
    [augment.posterize(2), 0.5],
    [augment.autocontrast(), 0.5],
    [augment.sharpness(2), 0.5],
    [augment.grayscale(), 0.1],
    [augment.brightness([0.5, 0.5], { p: 0.25 }), 0.25],
  ];
  const dark: Pixels = { ...COLOURS, pixels: COLOURS.pixels.map((x) => 20 + 0.8 * x) };
  for (const [item, p] of cases) {
    const result = images(await augment.apply([item], copies(2000, dark)));
    const changed = result.filter((image) => key(image) !== key(dark.pixels)).length;
    expect(Math.abs(changed - 2000 * p)).toBeLessThan(5 * Math.sqrt(2000 * p * (1 - p)));
  }
});

it('factors are uniform between their bounds', async () => {
  const white: Pixels = { pixels: new Uint8Array(3).fill(200), shape: [1, 1, 3] };
  const levels = images(await augment.apply([augment.brightness(0.25)], copies(8000, white)))
    .map(([level]) => level!)
    .sort((a, b) => a - b);
  expect(levels[0]).toBeGreaterThanOrEqual(150);
  expect(levels[7999]).toBeLessThanOrEqual(250);
  [0.1, 0.5, 0.9].forEach((q) => expect(Math.abs(levels[8000 * q]! - (150 + 100 * q))).toBeLessThan(2.5));
});

it('colorJitter happens in all orders', async () => {
  const pixel: Pixels = { pixels: Uint8Array.of(200, 90, 40), shape: [1, 1, 3] };
  const fixed = {
    brightness: [1.5, 1.5],
    contrast: [0.5, 0.5],
    saturation: [2, 2],
    hue: [0.2, 0.2],
  } as const;
  const drawn = images(await augment.apply([augment.colorJitter(fixed)], copies(600, pixel))).map(key);
  const names = Object.keys(fixed) as (keyof typeof fixed)[];
  const orders = (rest: typeof names): (typeof names)[] =>
    rest.length === 0 ? [[]] : rest.flatMap((n) => orders(rest.filter((m) => m !== n)).map((o) => [n, ...o]));
  const expected = await Promise.all(
    orders(names).map(async (order) => {
      const list = order.map((name) => augment[name](fixed[name]));
      return key((await augment.apply(list, pixel)).pixels);
    }),
  );
  expect(expected).toHaveLength(24);
  expect(new Set(drawn)).toEqual(new Set(expected));
});

it('colorPca moves whole images along the components, with normal factors', async () => {
  const grey: Pixels = { pixels: new Uint8Array(12).fill(128), shape: [2, 2, 3] };
  const item = augment.colorPca({
    std: 1,
    eigenvalues: [0.1, 0.02, 0],
    eigenvectors: [
      [1, 0, 0],
      [0, 0.6, 0.8],
      [0, -0.8, 0.6],
    ],
  });
  const offsets = images(await augment.apply([item], copies(4000, grey))).map((image) => {
    expect(new Set([0, 3, 6, 9].map((at) => key(image.subarray(at, at + 3)))).size).toBe(1);
    return Array.from(image.subarray(0, 3), (level) => level - 128);
  });
  const covariance = (a: number, b: number): number =>
    offsets.reduce((sum, offset) => sum + offset[a]! * offset[b]!, 0) / offsets.length;
  expect(Math.sqrt(covariance(0, 0)) / 25.5).toBeCloseTo(1, 1);
  expect(Math.abs(covariance(0, 1))).toBeLessThan(10);
  expect(covariance(1, 1) / (0.6 * 5.1) ** 2).toBeCloseTo(1, 0);
  expect(covariance(1, 2) / (-0.48 * 5.1 ** 2)).toBeCloseTo(1, 0);
});

it('fitColorPca finds the components of the colours of a data set', async () => {
  // Along (3, 0, 4) / 5 with deviation 40, along green with deviation 10, and nothing else.
  const n = 4000;
  const [along, green] = [1, 2].map((seed) => Array.from(uniform(n, seed), (u) => Math.sqrt(12) * (u - 0.5)));
  const images = Uint8Array.from({ length: 3 * n }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 128 + [24 * along![pixel]!, 10 * green![pixel]!, 32 * along![pixel]!][i % 3]!;
  });
  const set = await fromArrays({ images, labels: [0, 0], shape: [50, 40, 3], layout: 'NHWC' });
  const { eigenvalues, eigenvectors } = await augment.fitColorPca(set);
  expect(Math.sqrt(eigenvalues[0]) * 255).toBeCloseTo(40, -1);
  expect(Math.sqrt(eigenvalues[1]) * 255).toBeCloseTo(10, 0);
  expect(Math.sqrt(eigenvalues[2]) * 255).toBeLessThan(1);
  const column = (k: number): number[] => eigenvectors.map((row) => Math.round(10 * row[k]!) / 10);
  expect(column(0)).toEqual([0.6, 0, 0.8]);
  expect(column(1)[1]).toBe(1);
  const grey = await fromArrays({ images: new Uint8Array(4), labels: [0], shape: [2, 2, 1] });
  await expect(augment.fitColorPca(grey)).rejects.toThrow(
    /augment.fitColorPca: expected a Dataset of images/,
  );
  augment.colorPca({ eigenvalues, eigenvectors });
});

it('noise differs from image to image, and has the deviation asked for', async () => {
  const grey: Pixels = { pixels: new Uint8Array(3000).fill(128), shape: [20, 50, 3] };
  const noisy = images(await augment.apply([augment.gaussianNoise({ sigma: 0.05 })], copies(20, grey)));
  expect(new Set(noisy.map(key)).size).toBe(20);
  const all = noisy.flatMap((image) => Array.from(image, (level) => level - 128));
  const square = all.reduce((sum, x) => sum + x * x, 0) / all.length;
  expect(Math.abs(Math.sqrt(square) / 12.75 - 1)).toBeLessThan(0.02);
  const [flipped = COLOURS.pixels] = images(
    await augment.apply([augment.saltAndPepper({ amount: 0.2, salt: 0.25 })], copies(1, grey)),
  );
  const count = (level: number): number => flipped.filter((x) => x === level).length / 3;
  expect(Math.abs(count(255) - 50)).toBeLessThan(35);
  expect(Math.abs(count(0) - 150)).toBeLessThan(60);
  expect(count(255) + count(0) + count(128)).toBe(1000);
});

it('grey images pass what needs colours, where torchvision lets them', async () => {
  const grey: Pixels = { pixels: Uint8Array.of(1, 2, 3, 4), shape: [2, 2, 1] };
  const list = [augment.saturation(0.5), augment.hue(0.5), augment.grayscale({ p: 1 })];
  expect((await augment.apply(list, grey)).pixels).toEqual(grey.pixels);
});

it.each<[string, () => unknown, RegExp]>([
  [
    'a factor below 0',
    () => augment.brightness([-1, 1]),
    /augment.brightness: factor must be .* from 0 to 1000/,
  ],
  ['bounds upside down', () => augment.contrast([2, 1]), /augment.contrast: factor must be/],
  ['a hue beyond half a turn', () => augment.hue(0.6), /augment.hue: shift must be .* from -0.5 to 0.5/],
  ['half a bit', () => augment.posterize(2.5), /augment.posterize: bits must be whole/],
  ['nine bits', () => augment.posterize(9), /bits must be/],
  ['an even kernel', () => augment.gaussianBlur(4), /kernelSize must be an odd number from 1 to 127, got 4/],
  ['no deviation', () => augment.gaussianBlur(3, { sigma: 0 }), /sigma must be/],
  ['a probability above 1', () => augment.invert({ p: 1.2 }), /augment.invert: p must be/],
  ['jitter of nothing', () => augment.colorJitter(), /augment.colorJitter: expected at least one of/],
  [
    'two components',
    () => augment.colorPca({ eigenvalues: [1, 2] as never }),
    /eigenvalues must be three numbers/,
  ],
  ['an unknown option', () => augment.gaussianNoise({ std: 1 } as never), /unknown option "std"/],
])('refuses %s', (_, make, message) => {
  expect(make).toThrow(OptionError);
  expect(make).toThrow(message);
});

it('refuses images of two channels where colours are meant', async () => {
  const two: Pixels = { pixels: new Uint8Array(8), shape: [2, 2, 2] };
  await expect(augment.apply([augment.hue(0.1)], two)).rejects.toThrow(
    /augment.hue: images must have 1 channel or 3, got 2/,
  );
  await expect(augment.apply([augment.colorPca()], { ...two, shape: [2, 4, 1] })).rejects.toThrow(
    /augment.colorPca: images must have 3 channels, got 1/,
  );
});
