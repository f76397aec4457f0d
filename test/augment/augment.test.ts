import * as augment from '../../lib/augment';
import { checkAugmentations } from '../../lib/augment/pipeline';
import { setThreads } from '../../lib/native';
import { picture, Stream } from './support';

const images = picture(2, 12, 10, 3);
const apply = (...list: unknown[]) => augment.apply(list as never, images);

describe('a list', () => {
  const flip = augment.flip({ p: 1 });
  const own = { name: 'own', settings: {}, record: (batch: augment.ImageBatch) => batch };
  const mix: augment.Augmentation = { ...own, name: 'mix', stage: 'inputs' };
  const custom = augment.custom((pixels) => pixels, { name: 'mine' });

  test('may hold any of them in this order', () => {
    const list = [custom, own, flip, own, flip, mix];
    expect(checkAugmentations(list)).toBe(list);
  });

  test.each([
    ['no list', flip, 'expected a list of augmentations'],
    ['something else', [3], 'expected augment.flip(), augment.randomCrop(), ..., got 3'],
    ['a function that was not called', [augment.flip], 'got a function that was not called'],
    ['a stage that there is not', [{ ...own, stage: 'later' }], 'expected augment.flip()'],
    ['pixels behind inputs', [mix, flip], 'flip works on pixels, and must stand before mix'],
    ['a custom one behind another', [flip, custom], 'mine runs before the step, and must stand at the head'],
  ])('%s is refused', (_, list, message) => {
    expect(() => checkAugmentations(list)).toThrow(message);
    expect(() => checkAugmentations(list)).toThrow(expect.objectContaining({ code: 'ERR_TENON_OPTION' }));
  });
});

describe('an option is refused:', () => {
  test.each([
    ['an unknown key', () => augment.flip({ q: 1 } as never), 'augment.flip: unknown option'],
    ['a probability above 1', () => augment.flip({ p: 1.5 }), 'p must be a number from 0 to 1'],
    ['a size of 0', () => augment.randomCrop(0), 'size (height) must be a positive integer'],
    [
      'no size',
      () => augment.randomCrop({ padding: 4 } as never),
      'size (height) must be a positive integer',
    ],
    ['nothing', () => augment.randomCrop(undefined as never), 'size (height) must be a positive integer'],
    ['three sides', () => augment.randomCrop([8, 8, 8] as never), 'must be a side or [height, width]'],
    ['bounds the wrong way', () => augment.scale([2, 1]), 'factors must be [low, high] from 0.01 to 100'],
    ['an angle too large', () => augment.rotate(400), 'degrees must be a number or [low, high]'],
    [
      'an interpolation',
      () => augment.rotate(4, { interpolation: 'cubic' as never }),
      '"bilinear", "nearest"',
    ],
    ['a colour', () => augment.rotate(4, { fill: 256 }), 'fill must be a whole number from 0 to 255'],
    [
      'a colour by a word',
      () => augment.cutout(8, { fill: 'grey' as never }),
      'fill must be a colour or "mean"',
    ],
    ['a share', () => augment.translate(2), 'shares must be a number from 0 to 1'],
    ['an empty list', () => augment.oneOf([]), 'augment.oneOf: the list is empty'],
    [
      'something else in it',
      () => augment.oneOf([7 as never]),
      'expected augmentations such as augment.flip()',
    ],
    ['a weight too few', () => augment.oneOf([augment.flip()], { weights: [1, 2] }), '2 weights for 1'],
    ['weights of 0', () => augment.oneOf([augment.flip()], { weights: [0] }), 'all weights are 0'],
    [
      'too many of some',
      () => augment.someOf(2, [augment.flip()]),
      '2 of 1 augmentations, without replacement',
    ],
    ['no function', () => augment.custom(3 as never), 'augment.custom: fn must be a function'],
    [
      'too many holes',
      () => augment.cutout(8, { holes: 1025 }),
      'holes must be a whole number from 1 to 1024',
    ],
    [
      'a border too wide',
      () => augment.randomCrop(8, { padding: 32769 }),
      'padding must be a whole number from 0 to 32768',
    ],
    [
      'a weight too large',
      () => augment.oneOf([augment.flip()], { weights: [1e10] }),
      'weights must be a number from 0 to 1000000000',
    ],
    [
      'half a pixel',
      () => augment.randomScaleCrop(8, { shortSide: [8, 9.5] }),
      'shortSide must be whole, got [8, 9.5]',
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_TENON_OPTION' }));
  });

  test.each([
    [
      'a window too large',
      augment.randomCrop(20, { padding: 2 }),
      'a window of 20x20 does not fit an image of 12x10',
    ],
    [
      'a crop that happens sometimes',
      augment.randomCrop(8, { p: 0.5 }),
      'with p 0.5 the size must stay 12x10, got 8x8',
    ],
    [
      'a size that is drawn',
      augment.oneOf([augment.flip(), augment.randomCrop(8)]),
      '12x10 or 8x8, depending on',
    ],
    [
      'some of sizes',
      augment.someOf(1, [augment.flip(), augment.randomCrop(8)]),
      '12x10 or 8x8, depending on',
    ],
    [
      'a sequence of sizes',
      augment.sequence([augment.randomCrop(8)], { p: 0.5 }),
      '12x10 or 8x8, depending on',
    ],
    [
      'a colour of 4 channels',
      augment.rotate(4, { fill: [1, 2, 3, 4] }),
      'fill has 4 channels, but images have 3',
    ],
    [
      'a policy too large',
      augment.policy(Array.from({ length: 2000 }, () => [['Rotate', 0.5, 5]] as const)),
      'augment: policy holds too many operations: a list is a program of up to 65536 numbers',
    ],
  ])('%s for these images', async (_, item, message) => {
    await expect(apply(item)).rejects.toThrow(message);
    await expect(apply(item)).rejects.toMatchObject({ code: 'ERR_TENON_OPTION' });
  });
});

describe('oneOf, someOf, sequence', () => {
  const marks = [10, 20, 30].map((fill) => augment.cutout([100, 100], { fill }));

  /** The colours that 200 samples end up with. */
  async function colours(item: augment.Augmentation): Promise<number[]> {
    const many = { pixels: new Uint8Array(200 * 4), shape: [200, 2, 2, 1] };
    const { pixels } = await augment.apply([item], many, { seed: 3 });
    return Array.from({ length: 200 }, (_, n) => pixels[4 * n]!);
  }
  const counts = (values: number[]): Record<number, number> =>
    values.reduce<Record<number, number>>((sum, v) => ({ ...sum, [v]: (sum[v] ?? 0) + 1 }), {});

  test('oneOf draws by weight', async () => {
    const found = await colours(augment.oneOf(marks, { weights: [1, 0, 3] }));
    const wanted = Array.from({ length: 200 }, (_, n) => (new Stream(3, n, 1).uniform() * 4 < 1 ? 10 : 30));
    expect(found).toEqual(wanted);
    expect(counts(found)[10]).toBeGreaterThan(25);
  });

  test('a probability of a group leaves the rest as they are', async () => {
    const found = counts(await colours(augment.oneOf(marks, { p: 0.25 })));
    expect(found[0]).toBeGreaterThan(120);
    expect(found[0]).toBeLessThan(180);
  });

  test('sequence does all, in its order', async () => {
    expect(counts(await colours(augment.sequence(marks)))).toEqual({ 30: 200 });
    expect(counts(await colours(augment.sequence([...marks].reverse())))).toEqual({ 10: 200 });
  });

  test('someOf keeps the order of the list, and chooses each as often', async () => {
    // The last of two of three is the third in two cases of three, else the second.
    const found = counts(await colours(augment.someOf(2, marks)));
    expect(Object.keys(found)).toEqual(['20', '30']);
    expect(found[30]).toBeGreaterThan(110);
    expect(found[30]).toBeLessThan(156);
    const any = counts(await colours(augment.someOf([0, 1], marks)));
    expect(any[0]).toBeGreaterThan(70);
    expect(any[10]! + any[20]! + any[30]!).toBe(200 - any[0]!);
  });

  test('someOf with replacement applies them as they are drawn', async () => {
    const found = await colours(augment.someOf(2, marks, { replace: true }));
    const wanted = Array.from({ length: 200 }, (_, n) => {
      const draws = new Stream(3, n, 1);
      const skipTwo = (): number => [draws.below(2), draws.below(2)][0]!; // where a cutout of 2x2 images is
      const pick = (): number => [10, 20, 30][draws.below(3)]!;
      pick();
      skipTwo();
      return pick();
    });
    expect(found).toEqual(wanted);
  });
});

describe('cutout', () => {
  test('paints a square over, cut off at the edges, to the bit', async () => {
    const { pixels } = await augment.apply([augment.cutout(5, { fill: [7, 8, 9], holes: 2 })], images, {
      seed: 4,
    });
    const wanted = images.pixels.slice();
    for (const n of [0, 1]) {
      const draws = new Stream(4, n, 1);
      for (let hole = 0; hole < 2; hole++) {
        const [cy, cx] = [draws.below(12), draws.below(10)];
        for (let y = Math.max(0, cy - 2); y < Math.min(12, cy + 3); y++)
          for (let x = Math.max(0, cx - 2); x < Math.min(10, cx + 3); x++)
            wanted.set([7, 8, 9], ((n * 12 + y) * 10 + x) * 3);
      }
    }
    expect([...pixels]).toEqual([...wanted]);
  });

  test('fills with the mean of the images unless it has a colour', async () => {
    const flat = {
      pixels: Uint8Array.from({ length: 48 }, (_, i) => (i % 3) * 40 + (i < 24 ? 10 : 0)),
      shape: [4, 4, 3],
    };
    const { pixels } = await augment.apply([augment.cutout(9)], flat);
    expect([...pixels]).toEqual(Array.from({ length: 48 }, (_, i) => (i % 3) * 40 + 5));
    const given = await augment.apply([augment.cutout(9)], flat, { mean: [1, 0.5, 0] });
    expect([...given.pixels.slice(0, 3)]).toEqual([255, 128, 0]);
  });
});

describe('randomErasing', () => {
  const erased = async (options: augment.RandomErasingOptions) =>
    (await augment.apply([augment.randomErasing({ p: 1, ...options })], images, { seed: 6 })).pixels;

  test('paints a rectangle over, drawn as torchvision draws it, to the bit', async () => {
    const pixels = await erased({ value: [1, 2, 3] });
    const wanted = images.pixels.slice();
    for (const n of [0, 1]) {
      const draws = new Stream(6, n, 1);
      for (let attempt = 0; attempt < 10; attempt++) {
        const area = 120 * draws.uniform(0.02, 0.33);
        const ratio = Math.exp(draws.uniform(Math.log(0.3), Math.log(3.3)));
        const [h, w] = [Math.round(Math.sqrt(area * ratio)), Math.round(Math.sqrt(area / ratio))];
        if (h < 1 || w < 1 || h >= 12 || w >= 10) continue;
        const [top, left] = [draws.below(12 - h + 1), draws.below(10 - w + 1)];
        for (let y = top; y < top + h; y++)
          for (let x = left; x < left + w; x++) wanted.set([1, 2, 3], ((n * 12 + y) * 10 + x) * 3);
        break;
      }
    }
    expect([...pixels]).toEqual([...wanted]);
    expect(wanted).not.toEqual(images.pixels);
  });

  test('or with random bytes in the same place', async () => {
    const [plain, random] = [await erased({ value: 0 }), await erased({ value: 'random' })];
    const changed = [...plain.keys()].filter((i) => plain[i] === 0);
    for (const i of random.keys()) if (plain[i] !== 0) expect(random[i]).toBe(images.pixels[i]);
    expect(new Set(changed.map((i) => random[i])).size).toBeGreaterThan(changed.length / 3);
  });
});

describe('what happens to a sample', () => {
  const list = [
    augment.randomCrop([12, 10], { padding: 2 }),
    augment.oneOf([augment.rotate(20), augment.elastic(), augment.shear(9)]),
    augment.cutout(3, { fill: 5 }),
    augment.someOf(2, [augment.flip(), augment.randomErasing(), augment.scale([0.8, 1.2])]),
  ];
  const many = picture(128, 12, 10, 3);
  const bytes = 360;

  test('depends on neither the batch size nor the threads', async () => {
    const { pixels } = await augment.apply(list, many, { seed: 9 });
    for (const size of [1, 7]) {
      const parts: Uint8Array[] = [];
      for (let from = 0; from < 128; from += size) {
        const to = Math.min(128, from + size);
        const part = {
          pixels: many.pixels.subarray(from * bytes, to * bytes),
          shape: [to - from, 12, 10, 3],
        };
        const samples = Array.from({ length: to - from }, (_, i) => from + i);
        parts.push((await augment.apply(list, part, { seed: 9, samples })).pixels);
      }
      expect(Buffer.concat(parts).equals(pixels)).toBe(true);
    }
    for (const threads of [1, 2, 4]) {
      setThreads(threads);
      expect(Buffer.from((await augment.apply(list, many, { seed: 9 })).pixels).equals(pixels)).toBe(true);
    }
  }, 120_000);

  test('changes with seed, epoch, sample and place', async () => {
    const of = async (options: augment.ApplyOptions, shift = 0): Promise<Buffer> => {
      const before = Array.from({ length: shift }, () => augment.flip({ p: 0 }));
      return Buffer.from((await augment.apply([...before, ...list], images, options)).pixels);
    };
    const all = [
      await of({}),
      await of({ seed: 1 }),
      await of({ epoch: 1 }),
      await of({ samples: [5, 6] }),
      await of({}, 1),
    ];
    expect(new Set(all.map((one) => one.toString('hex'))).size).toBe(5);
    expect((await of({ epoch: 1 })).equals(all[2]!)).toBe(true);
  });
});

describe('apply', () => {
  test.each([
    ['no images', undefined, 'images must be an object'],
    ['no bytes', { pixels: [1], shape: [1, 1, 1] }, 'pixels must be a Uint8Array'],
    ['no shape', { pixels: new Uint8Array(1) }, 'shape must be a list'],
    ['two sides', { pixels: new Uint8Array(4), shape: [2, 2] }, 'shape must be [height, width, channels]'],
    [
      'too few bytes',
      { pixels: new Uint8Array(4), shape: [2, 2, 3] },
      '4 bytes do not fill images of [2, 2, 3]',
    ],
  ])('refuses %s', async (_, bad, message) => {
    await expect(augment.apply([], bad as never)).rejects.toThrow(message);
  });

  test.each([
    ['a mean that is not a list', { mean: 0.5 }, 'mean must be a list'],
    [
      'a mean of other channels',
      { mean: [0.5] },
      'mean must have 3 numbers, one for each channel, got [0.5]',
    ],
    ['samples of more than 31 bits', { samples: [2 ** 31] }, 'must be a whole number from 0 to 2147483647'],
  ])('refuses %s', async (_, options, message) => {
    const one = { pixels: new Uint8Array(6), shape: [1, 2, 3] };
    await expect(augment.apply([], one, options as never)).rejects.toThrow(message);
    await expect(augment.apply([], one, options as never)).rejects.toMatchObject({
      code: 'ERR_TENON_OPTION',
    });
  });

  test('keeps the form of one image, and leaves it as it is with an empty list', async () => {
    const one = { pixels: Uint8Array.from([1, 2, 3, 4, 5, 6]), shape: [1, 2, 3] };
    expect(await augment.apply([], one)).toEqual(one);
    expect(await augment.apply([augment.flip({ p: 1 })], one)).toEqual({
      pixels: Uint8Array.from([4, 5, 6, 1, 2, 3]),
      shape: [1, 2, 3],
    });
  });
});
