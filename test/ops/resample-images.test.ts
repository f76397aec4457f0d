import { compile } from '../../lib/compile/compile';
import { DTypeError, OptionError, ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import recorded from '../fixtures/crops.json';
import { noise } from '../support/noise';

type Size = readonly [number, number];

/** Images one after the other, and their table. */
function stored(images: readonly (readonly number[])[]): { data: Uint8Array; table: Tensor; largest: Size } {
  const bytes = images.map(([h = 0, w = 0, c = 0, seed = 0]) => noise(h, w, c, seed));
  const offsets = images.map((_, i) => bytes.slice(0, i).reduce((sum, b) => sum + b.length, 0));
  const rows = images.flatMap(([h = 0, w = 0], i) => [offsets[i]!, h, w]);
  return {
    data: Uint8Array.from(bytes.flatMap((b) => [...b])),
    table: tensor(rows, [images.length, 3], 'f64'),
    largest: [Math.max(...images.map(([h = 0]) => h)), Math.max(...images.map(([, w = 0]) => w))],
  };
}

/** H W C bytes of images [B, C, H, W]. */
async function bytesOf(images: Tensor): Promise<Uint8Array> {
  return (await ops.permute(ops.cast(images, 'f32'), [0, 2, 3, 1]).data()) as unknown as Uint8Array;
}

const decoded = (text: string): number[] => [...Buffer.from(text, 'base64')];

describe('torchvision of PIL images, to the bit', () => {
  it.each(recorded.views)('views: $image, short side $short', async ({ image, short, size, ten, centre }) => {
    // Between others of the same channels, so that offsets and places in a batch count.
    const { data, table, largest } = stored([[5, 9, image[2]!, 90], image, [30, 4, image[2]!, 91]]);
    const options = { size: size as [number, number], channels: image[2]!, largest };
    const index = tensor(Int32Array.of(1));
    const viewed = (place: number, mirrored: number): Promise<Uint8Array> => {
      const crops = ops.viewCrops(table, index, tensor([short, place, mirrored], [3], 'f64'), {
        size: options.size,
      });
      return bytesOf(ops.resampleImages(tensor(data), table, index, crops, options));
    };
    expect([...(await viewed(0, 0))]).toEqual(decoded(centre));
    const all: number[] = [];
    for (const mirrored of [0, 1])
      for (const place of [1, 2, 3, 4, 0]) all.push(...(await viewed(place, mirrored)));
    expect(all).toEqual(decoded(ten));
  });

  it.each(recorded.resizedCrops)('resized_crop: $crop of $image', async ({ image, crop, size, bytes }) => {
    const { data, table, largest } = stored([image]);
    const options = { size: size as [number, number], channels: image[2]!, largest };
    const [h = 0, w = 0] = size;
    const row = (mirrored: number): Tensor =>
      tensor(Int32Array.of(...crop, h, w, 0, 0, mirrored), [1, ops.CROP_COLUMNS]);
    const index = tensor(Int32Array.of(0));
    const made = await bytesOf(ops.resampleImages(tensor(data), table, index, row(0), options));
    expect([...made]).toEqual(decoded(bytes));
    const mirrored = await bytesOf(ops.resampleImages(tensor(data), table, index, row(1), options));
    const c = image[2]!;
    const flipped = Array.from(made, (_, i) => {
      const [y, x, j] = [Math.floor(i / (w * c)), Math.floor(i / c) % w, i % c];
      return made[(y * w + (w - 1 - x)) * c + j];
    });
    expect([...mirrored]).toEqual(flipped);
  });
});

describe('viewCrops', () => {
  const crops = (h: number, w: number, view: readonly number[], size: Size): Promise<unknown> =>
    ops
      .viewCrops(tensor([0, h, w], [1, 3], 'f64'), tensor(Int32Array.of(0)), tensor(view, [3], 'f64'), {
        size,
      })
      .data()
      .then((values) => [...values]);

  it('covers the window with as few pixels as it can', async () => {
    expect(await crops(40, 60, [-1, 0, 0], [20, 20])).toEqual([0, 0, 40, 60, 20, 30, 0, 5, 0]);
    expect(await crops(40, 60, [-1, 0, 0], [10, 30])).toEqual([0, 0, 40, 60, 20, 30, 5, 0, 0]);
    expect(await crops(7, 3, [-1, 0, 0], [20, 20])).toEqual([0, 0, 7, 3, 46, 20, 13, 0, 0]);
  });

  it('rejects a window that is larger than the resized image, and images that do not exist', async () => {
    await expect(crops(40, 60, [19, 0, 0], [20, 20])).rejects.toThrow(/index/);
    await expect(crops(0, 60, [0, 0, 0], [1, 1])).rejects.toThrow(/index/);
    await expect(crops(40, 65535, [65535, 0, 0], [20, 20])).resolves.toBeDefined();
    await expect(crops(1, 65535, [65535, 0, 0], [20, 20])).rejects.toThrow(/index/);
  });
});

describe('bad input', () => {
  const { data, table, largest } = stored([[4, 6, 3, 1]]);
  const index = tensor(Int32Array.of(0));
  const options = { size: 2, channels: 3, largest } as const;
  const run = async (
    crop: readonly number[],
    rows: readonly number[] = [0, 4, 6],
    place = 0,
  ): Promise<unknown> =>
    ops
      .resampleImages(
        tensor(data),
        tensor(rows, [1, 3], 'f64'),
        tensor(Int32Array.of(place)),
        tensor(Int32Array.from(crop), [1, 9]),
        options,
      )
      .data();
  const whole = [0, 0, 4, 6, 4, 6, 0, 0, 0];

  it('takes the whole image', async () => {
    await expect(run(whole)).resolves.toHaveLength(12);
  });

  it.each([
    ['a rectangle outside', [1, 0, 4, 6, 4, 6, 0, 0, 0]],
    ['a negative corner', [0, -1, 4, 6, 4, 6, 0, 0, 0]],
    ['an empty rectangle', [0, 0, 0, 6, 4, 6, 0, 0, 0]],
    ['a window outside', [0, 0, 4, 6, 4, 6, 3, 0, 0]],
    ['a window at a negative place', [0, 0, 4, 6, 4, 6, 0, -1, 0]],
    ['the largest numbers', [2147483647, 0, 2147483647, 6, 4, 6, 0, 0, 0]],
  ])('%s makes the run reject', async (_, crop) => {
    await expect(run(crop)).rejects.toThrow(/index/);
  });

  it.each([
    ['ends behind the buffer', [1, 4, 6]],
    ['begins before it', [-1, 4, 6]],
    ['is larger than largest', [0, 2, 12]],
    ['is of no whole size', [0, 3.5, 6]],
    ['is NaN', [NaN, 4, 6]],
    ['is endless', [0, Infinity, 6]],
  ])('an image that %s makes the run reject', async (_, rows) => {
    await expect(run([0, 0, 1, 1, 4, 6, 0, 0, 0], rows)).rejects.toThrow(/index/);
  });

  it('an index outside the table makes the run reject', async () => {
    await expect(run(whole, [0, 4, 6], 1)).rejects.toThrow(/index/);
    await expect(run(whole, [0, 4, 6], -1)).rejects.toThrow(/index/);
  });

  it('is refused at the call where shapes and types do not fit', () => {
    const crops = tensor(Int32Array.from(whole), [1, 9]);
    const bytes = tensor(data);
    const f32 = tensor(Float32Array.from(whole), [1, 9]);
    expect(() => ops.resampleImages(f32, table, index, crops, options)).toThrow(DTypeError);
    expect(() => ops.resampleImages(bytes, crops, index, crops, options)).toThrow(DTypeError);
    expect(() => ops.resampleImages(bytes, table, index, f32, options)).toThrow(DTypeError);
    const two = tensor(Int32Array.of(0, 0));
    expect(() => ops.resampleImages(bytes, table, two, crops, options)).toThrow(ShapeError);
    expect(() => ops.resampleImages(bytes, table, index, crops, { ...options, size: 0 })).toThrow(ShapeError);
    expect(() => ops.resampleImages(bytes, table, index, crops, { ...options, largest: 65536 })).toThrow(
      ShapeError,
    );
    expect(() => ops.resampleImages(bytes, table, index, crops, { ...options, channels: 0 })).toThrow(
      OptionError,
    );
    expect(() => ops.viewCrops(table, index, tensor([1, 2, 3]), { size: 2 })).toThrow(DTypeError);
    expect(() => ops.viewCrops(table, index, tensor([1], [1], 'f64'), { size: 2 })).toThrow(ShapeError);
  });
});

it('does not depend on the batch', async () => {
  const images = Array.from({ length: 9 }, (_, i) => [20 + 3 * i, 50 - 2 * i, 3, i + 1]);
  const { data, table, largest } = stored(images);
  const options = { size: [11, 13] as const, channels: 3, largest };
  const fn = compile((index: Tensor) =>
    ops.resampleImages(
      tensor(data),
      table,
      index,
      ops.viewCrops(table, index, tensor([16, 2, 1], [3], 'f64'), { size: options.size }),
      options,
    ),
  );
  const all = (await (await fn(tensor(Int32Array.from(images.keys())))).data()) as Uint8Array;
  for (const i of images.keys()) {
    const one = await (await fn(tensor(Int32Array.of(i)))).data();
    expect([...one]).toEqual([...all.slice(i * one.length, (i + 1) * one.length)]);
  }
  fn.dispose();
});
