import * as augment from '../../lib/augment';
import type { Augmentation } from '../../lib/augment';
import {
  affineStep,
  composite,
  cropStep,
  differences,
  elasticStep,
  flipStep,
  resizedCropStep,
  verticalFlipStep,
  type Step,
} from './geometry';
import { picture, Stream } from './support';

const SIZES = [
  [9, 13, 3],
  [32, 32, 3],
  [17, 8, 1],
  [12, 12, 4],
] as const;

/** What the list makes of some images, and the reference: steps for each sample of each size. */
async function bothOf(
  list: readonly Augmentation[],
  stepsOf: (size: readonly [number, number], sample: number) => readonly Step[],
  sampling?: 'bilinear' | 'nearest',
): Promise<[got: Uint8Array, wanted: number[]][]> {
  return Promise.all(
    SIZES.map(async ([h, w, c]): Promise<[Uint8Array, number[]]> => {
      const images = picture(6, h, w, c);
      const { pixels } = await augment.apply(list, images, { seed: 5 });
      const bytes = h * w * c;
      const wanted = Array.from({ length: 6 }, (_, n) =>
        composite(images.pixels.subarray(n * bytes), c, stepsOf([h, w], n), sampling),
      );
      return [pixels, wanted.flat()];
    }),
  );
}

const stream = (sample: number, place = 1): Stream => new Stream(5, sample, place);

describe('to the bit', () => {
  test('flip, verticalFlip', async () => {
    const list = [augment.flip({ p: 1 }), augment.verticalFlip({ p: 0.5 })];
    const pairs = await bothOf(list, (size, n) => [
      flipStep(size),
      ...(stream(n, 2).uniform() < 0.5 ? [verticalFlipStep(size)] : []),
    ]);
    for (const [got, wanted] of pairs) expect([...got]).toEqual(wanted);
  });

  test('randomCrop of any size, with a border of any colour', async () => {
    const list = [augment.randomCrop([8, 7], { padding: 3, fill: 77 })];
    const pairs = await bothOf(list, (size, n) => [cropStep(size, [8, 7], 3, 77, stream(n))]);
    for (const [got, wanted] of pairs) expect([...got]).toEqual(wanted);
  });

  test('translate, by whole pixels', async () => {
    const list = [augment.translate([0.3, 0.2], { fill: 9 })];
    const pairs = await bothOf(list, (size, n) => {
      const draws = stream(n);
      return [affineStep(size, [0, draws.uniform(-0.3, 0.3), draws.uniform(-0.2, 0.2), 1, 0, 0], 9)];
    });
    for (const [got, wanted] of pairs) expect([...got]).toEqual(wanted);
  });

  test('rotate by a quarter turn', async () => {
    const images = picture(1, 8, 8, 3);
    const { pixels } = await augment.apply([augment.rotate([90, 90])], images);
    // Counter-clockwise: the right column becomes the top row.
    const wanted = Array.from({ length: 64 * 3 }, (_, i) => {
      const [row, column, c] = [Math.floor(i / 24), Math.floor(i / 3) % 8, i % 3];
      return images.pixels[(column * 8 + (7 - row)) * 3 + c];
    });
    expect([...pixels]).toEqual(wanted);
  });
});

const drawnAffine = (size: readonly [number, number], n: number): Step => {
  const draws = stream(n);
  const [degrees, x, y] = [draws.uniform(-30, 30), draws.uniform(-0.1, 0.1), draws.uniform(-0.2, 0.2)];
  const [scale, shear] = [draws.uniform(0.7, 1.3), draws.uniform(-12, 12)];
  return affineStep(size, [degrees, x, y, scale, shear, draws.uniform(-5, 8)], 200);
};

const crops = { scale: [0.3, 0.8], ratio: [0.9, 1.1] } as const;

interface Case {
  readonly list: readonly Augmentation[];
  readonly steps: (size: readonly [number, number], sample: number) => readonly Step[];
  readonly sampling?: 'nearest';
}

const CASES: readonly (readonly [name: string, Case])[] = [
  [
    'rotate',
    {
      list: [augment.rotate(40, { fill: 50 })],
      steps: (size, n) => [affineStep(size, [stream(n).uniform(-40, 40), 0, 0, 1, 0, 0], 50)],
    },
  ],
  [
    'rotate between two angles, counter-clockwise',
    {
      list: [augment.rotate([10, 80])],
      steps: (size, n) => [affineStep(size, [stream(n).uniform(-80, -10), 0, 0, 1, 0, 0], 0)],
    },
  ],
  [
    'shear',
    {
      list: [augment.shear(20, { y: [3, 9] })],
      steps: (size, n) => {
        const draws = stream(n);
        return [affineStep(size, [0, 0, 0, 1, draws.uniform(-20, 20), draws.uniform(3, 9)], 0)];
      },
    },
  ],
  [
    'scale',
    {
      list: [augment.scale([0.5, 2], { fill: 255 })],
      steps: (size, n) => [affineStep(size, [0, 0, 0, stream(n).uniform(0.5, 2), 0, 0], 255)],
    },
  ],
  [
    'affine',
    {
      list: [
        augment.affine(30, { translate: [0.1, 0.2], scale: [0.7, 1.3], shear: [-12, 12, -5, 8], fill: 200 }),
      ],
      steps: (size, n) => [drawnAffine(size, n)],
    },
  ],
  [
    'affine, nearest pixel',
    {
      list: [
        augment.affine(30, {
          translate: [0.1, 0.2],
          scale: [0.7, 1.3],
          shear: [-12, 12, -5, 8],
          fill: 200,
          interpolation: 'nearest',
        }),
      ],
      steps: (size, n) => [drawnAffine(size, n)],
      sampling: 'nearest',
    },
  ],
  [
    'randomResizedCrop without antialiasing',
    {
      list: [augment.randomResizedCrop([10, 14], { ...crops, antialias: false })],
      steps: (size, n) => [resizedCropStep(size, [10, 14], crops.scale, crops.ratio, stream(n))],
    },
  ],
  [
    'randomResizedCrop that enlarges, turned in the same resampling',
    {
      list: [augment.randomResizedCrop([33, 40], crops), augment.rotate([20, 20], { fill: 8 })],
      steps: (size, n) => [
        resizedCropStep(size, [33, 40], crops.scale, crops.ratio, stream(n)),
        affineStep([33, 40], [-20, 0, 0, 1, 0, 0], 8),
      ],
    },
  ],
  [
    'elastic',
    {
      list: [augment.elastic({ alpha: 20, sigma: 3, fill: 90 })],
      steps: (size, n) => [elasticStep(size, 20, 3, 90, stream(n))],
    },
  ],
  [
    'a chain: one resampling, each frame with its own fill',
    {
      list: [
        augment.rotate(40, { fill: 50 }),
        augment.flip({ p: 1 }),
        augment.randomCrop(9, { padding: 4, fill: 250 }),
        augment.scale([0.5, 0.9], { fill: 120 }),
      ],
      steps: (size, n) => [
        affineStep(size, [stream(n).uniform(-40, 40), 0, 0, 1, 0, 0], 50),
        flipStep(size),
        cropStep(size, [9, 9], 4, 250, stream(n, 3)),
        affineStep([9, 9], [0, 0, 0, stream(n, 4).uniform(0.5, 0.9), 0, 0], 120),
      ],
    },
  ],
  [
    'a chain with an elastic field in the middle',
    {
      list: [
        augment.randomCrop(8, { padding: 1, fill: 250 }),
        augment.elastic({ alpha: 20, sigma: 3, fill: 90 }),
        augment.rotate(20, { fill: 10 }),
      ],
      steps: (size, n) => [
        cropStep(size, [8, 8], 1, 250, stream(n)),
        elasticStep([8, 8], 20, 3, 90, stream(n, 2)),
        affineStep([8, 8], [stream(n, 3).uniform(-20, 20), 0, 0, 1, 0, 0], 10),
      ],
    },
  ],
];

describe('beside a float64 composite', () => {
  test.each(CASES)('%s', async (_, { list, steps, sampling }) => {
    for (const [got, wanted] of await bothOf(list, steps, sampling)) {
      const { mean, p99 } = differences(got, wanted);
      expect(mean).toBeLessThan(0.5);
      expect(p99).toBeLessThanOrEqual(sampling === 'nearest' ? 0 : 1);
    }
  });

  test('the tolerance sees a turn by half a degree', async () => {
    const pairs = await bothOf([augment.rotate(40)], (size, n) => [
      affineStep(size, [stream(n).uniform(-40, 40) + 0.5, 0, 0, 1, 0, 0], 0),
    ]);
    expect(pairs.some(([got, wanted]) => differences(got, wanted).p99 > 1)).toBe(true);
  });

  test('something between two geometric ones has each resampled by itself', async () => {
    const turn = augment.rotate([30, 30]);
    const step = affineStep([32, 32], [-30, 0, 0, 1, 0, 0], 0);
    const images = picture(1, 32, 32, 3);
    const once = composite(images.pixels, 3, [step, step]);
    const twice = composite(composite(images.pixels, 3, [step]).map(Math.round), 3, [step]);
    const joined = await augment.apply([turn, augment.cutout(1, { p: 0 }), turn], images);
    const apart = await augment.apply([turn, augment.cutout(1), turn], images);
    expect(differences(joined.pixels, once).p99).toBeLessThanOrEqual(1);
    expect(differences(apart.pixels, twice).p99).toBeLessThanOrEqual(1);
    expect(differences(apart.pixels, once).p99).toBeGreaterThan(3);
  });
});
