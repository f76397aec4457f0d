/** Image folders whose images keep sizes of their own. */
import sharp from 'sharp';
import * as augment from '../../lib/augment';
import { Pipeline } from '../../lib/augment/pipeline';
import { compile } from '../../lib/compile/compile';
import * as data from '../../lib/data';
import { DataError, FormatError, OptionError, ShapeError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { checkpoint, evaluate, Trainer } from '../../lib/train';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { noise } from '../support/noise';
import { useTempDir } from './helpers';

const temp = useTempDir();
const COUNT = 7;
const sizeOf = (i: number): [number, number] => [12 + 5 * i, 30 - 2 * i];

/** PNGs of different sizes, in two classes. */
async function folder(): Promise<string> {
  for (let i = 0; i < COUNT; i++) {
    const [height, width] = sizeOf(i);
    const image = sharp(noise(height, width, 3, i + 1), { raw: { width, height, channels: 3 } });
    await temp.file(`${i < 4 ? 'cat' : 'dog'}/${i}.png`, await image.png().toBuffer());
  }
  return temp.path();
}

const kept = async (more: object = {}): Promise<data.Dataset> =>
  data.folder({ dir: await folder(), imageSize: 8, keep: 'original', ...more });

function model(): nn.Module {
  const net = nn.sequential(nn.conv2d(3, 4, { kernel: 3 }), nn.flatten(), nn.linear(144, 2));
  net.preprocessing = { height: 8, width: 8, channels: 3, mean: [0.5, 0.5, 0.5], std: [0.1, 0.1, 0.1] };
  return net.initialize({ seed: 3 });
}

test('images are those of the files, and are decoded when they are asked for', async () => {
  const set = await kept();
  expect(set.ownSizes).toBe(true);
  expect(set.inputShape).toEqual([3, 8, 8]);
  expect(set.resize).toBe('cover');
  for (const i of [3, 0, 6]) {
    const { pixels, shape, label } = await set.image(i);
    expect(shape).toEqual([...sizeOf(i), 3]);
    expect(Buffer.from(pixels).equals(noise(...sizeOf(i), 3, i + 1))).toBe(true);
    expect(label).toBe(i < 4 ? 0 : 1);
  }
  await expect(set.rows()).rejects.toThrow(DataError);
  expect((await set.subset([5, 1]).image(0)).shape).toEqual([...sizeOf(5), 3]);
  set.dispose();
});

test('longer short sides are shrunk, proportions stay', async () => {
  const set = await kept({ keep: { shortSide: 16 } });
  const shapes = [];
  for (let i = 0; i < COUNT; i++) shapes.push((await set.image(i)).shape.slice(0, 2));
  expect(shapes).toEqual([[12, 30], [16, 26], [16, 19], [18, 16], [23, 16], [30, 16], [37, 16]]); // prettier-ignore
});

test('statistics count pixels, whatever image they are in', async () => {
  const set = await kept();
  const { mean, std } = (await set.statistics())!;
  const values = Array.from({ length: COUNT }, (_, i) => [...noise(...sizeOf(i), 3, i + 1)]).flat();
  const red = values.filter((_, i) => i % 3 === 0).map((value) => value / 255);
  const average = red.reduce((a, b) => a + b) / red.length;
  expect(mean[0]).toBeCloseTo(average, 10);
  expect(std[0]).toBeCloseTo(Math.sqrt(red.reduce((a, b) => a + (b - average) ** 2, 0) / red.length), 10);
});

test('a model sees the centre of each, and views of each as of raw images', async () => {
  const [net, set] = [model(), await kept()];
  const centres = await net.predict(set, { batchSize: 3 });
  const all = await net.predict(set, { crops: 10, scales: [9, 20], batchSize: 4 });
  for (let i = 0; i < COUNT; i++) {
    const [height, width] = sizeOf(i);
    const raw = noise(height, width, 3, i + 1);
    const centre = await net.predict(raw, { imageSize: [height, width], scales: [8] });
    expect([...centres.subarray(2 * i, 2 * i + 2)]).toEqual([...centre]);
    const one = await net.predict(raw, { imageSize: [height, width], crops: 10, scales: [9, 20] });
    expect([...all.subarray(2 * i, 2 * i + 2)]).toEqual([...one]);
  }
  const loss = losses.crossEntropy();
  const { loss: once } = await evaluate(net, set, { loss });
  expect(once).toBeCloseTo(-(await mean(centres, set)), 5);
  const { loss: averaged } = await evaluate(net, set, { loss, crops: 10, scales: [9, 20] });
  expect(averaged).toBeCloseTo(-(await mean(all, set)), 5);
  await expect(net.predict(set, { crops: 5, scales: [7] })).rejects.toThrow(ShapeError);
});

async function mean(p: Float32Array, set: data.Dataset): Promise<number> {
  const logs = [...set.labels!].map((label, i) => Math.log(p[2 * i + label]!));
  return Promise.resolve(logs.reduce((a, b) => a + b) / logs.length);
}

/** The inputs of rows in an epoch, as training records them. */
async function inputs(
  set: data.Dataset,
  list: augment.Augmentation[],
  rows: number[],
  at: number,
): Promise<number[]> {
  const recipe = new Pipeline(list).recipe({
    seed: 5,
    epoch: runtimeScalar(() => at),
    normalization: set.unscaled(),
    mean: [0.5, 0.5, 0.5],
    classes: 2,
  });
  await set.ensure(Int32Array.from(rows));
  const program = compile((index: Tensor) => set.batch({ index }, recipe).inputs);
  const values = await (await program(tensor(Int32Array.from(rows)))).data();
  program.dispose();
  return [...values];
}

describe.each([
  ['randomScaleCrop', augment.randomScaleCrop(8, { shortSide: [9, 21] })],
  ['randomResizedCrop', augment.randomResizedCrop(8)],
])('%s', (name, item) => {
  const all = Array.from({ length: COUNT }, (_, i) => i);

  test('is one resampling straight from the image as it is kept', async () => {
    const set = await kept();
    const [index, size] = [tensor(Int32Array.from(all)), 8];
    const epoch = runtimeScalar(() => 2);
    const { table, data: pixels, largest } = set.part.samples.stored()!;
    const operands = { table, index, samples: index, occurrence: tensor(new Int32Array(COUNT)), epoch };
    const draws = { seed: 5, place: 1, size };
    const crops =
      name === 'randomScaleCrop'
        ? ops.randomScaleCrops(operands, { ...draws, shortSide: [9, 21] })
        : ops.randomResizedCrops(operands, { ...draws, scale: [0.08, 1], ratio: [3 / 4, 4 / 3] });
    const got = await inputs(set, [item], all, 2);
    const windows = ops.resampleImages(pixels, table, index, crops, { size, channels: 3, largest });
    const want = await windows.data();
    got.forEach((value, i) => expect(Math.round(value * 255)).toBe(want[i]));
  });

  test('is the same in any batch, other in another epoch, and other augmentations follow', async () => {
    const set = await kept();
    const list = [item, augment.flip({ p: 0.5 }), augment.cutout(2)];
    const together = await inputs(set, list, all, 1);
    const size = together.length / COUNT;
    const apart: number[] = [];
    for (const row of all) apart.push(...(await inputs(set, list, [row], 1)));
    expect(apart).toEqual(together);
    const shuffled = await inputs(set, list, [4, 2, 0], 1);
    expect(shuffled.slice(0, size)).toEqual(together.slice(4 * size, 5 * size));
    expect(await inputs(set, list, all, 2)).not.toEqual(together);
    // The windows are those of the list without what follows, but for flips and holes.
    const alone = await inputs(set, [item], all, 1);
    const same = alone.filter((value, i) => value === together[i]).length;
    expect(same).toBeGreaterThan(alone.length / 5);
    expect(same).toBeLessThan(alone.length);
  });
});

test('a trainer learns from such windows, and resumed has the same weights', async () => {
  const set = await kept();
  const fresh = (): Trainer =>
    new Trainer(nn.sequential(nn.flatten(), nn.linear(192, 2)), {
      loss: losses.crossEntropy(),
      optimizer: optim.sgd({ lr: 0.1 }),
      augment: [augment.randomScaleCrop(8, { shortSide: [9, 20] }), augment.flip()],
      seed: 4,
    });
  const weights = async (trainer: Trainer): Promise<number[]> => {
    const found: number[] = [];
    for (const parameter of trainer.model.parameters()) found.push(...(await parameter.data()));
    return found;
  };
  const whole = fresh();
  await whole.fit(set, { epochs: 3, batchSize: 3 });
  const first = fresh();
  const path = temp.path('state');
  await first.fit(set, { epochs: 2, batchSize: 3, callbacks: [checkpoint(path)] });
  const second = fresh();
  await second.fit(set, { epochs: 3, batchSize: 3, resume: path });
  expect(await weights(second)).toEqual(await weights(whole));
  expect(whole.model.preprocessing).toMatchObject({ height: 8, width: 8, resize: 'cover' });
});

test('images of one size are cut, too', async () => {
  const images = Uint8Array.from([...noise(20, 30, 3, 1), ...noise(20, 30, 3, 2)]);
  const set = await data.fromArrays({ images, labels: [0, 1], shape: [20, 30, 3] });
  const list = [augment.randomScaleCrop([8, 10], { shortSide: [12, 25] })];
  const together = await inputs(set, list, [0, 1], 0);
  expect(together).toHaveLength(2 * 3 * 80);
  expect(await inputs(set, list, [1], 0)).toEqual(together.slice(240));
});

test('sets are joined with their sizes, decoded or not', async () => {
  const set = await kept();
  const other = await data.folder({ dir: temp.path(), imageSize: 8, keep: 'original' });
  await set.ensure(Int32Array.of(1, 2));
  const joined = await data.concat([set.subset([2, 6]), other.subset([1, 4])]);
  for (const [i, from] of [2, 6, 1, 4].entries()) {
    const { pixels, shape } = await joined.image(i);
    expect(shape).toEqual([...sizeOf(from), 3]);
    expect(Buffer.from(pixels).equals(noise(...sizeOf(from), 3, from + 1))).toBe(true);
  }
  const fixed = await data.folder({ dir: temp.path(), imageSize: 8 });
  await expect(data.concat([set, fixed])).rejects.toThrow(/sizes/);
});

test('damaged images end the opening, or are left out', async () => {
  const dir = await folder();
  await temp.file('cat/broken.png', 'not an image');
  const cut = await sharp(noise(40, 40, 3, 9), { raw: { width: 40, height: 40, channels: 3 } })
    .png()
    .toBuffer();
  await temp.file('dog/cut.png', cut.subarray(0, cut.length / 2));
  const options = { dir, imageSize: 8, keep: 'original' } as const;
  await expect(data.folder(options)).rejects.toThrow(FormatError);
  const set = await data.folder({ ...options, onError: 'skip' });
  expect(set.length).toBe(COUNT);
  expect(set.skipped.map(({ file }) => file)).toEqual([
    temp.path('cat/broken.png'),
    temp.path('dog/cut.png'),
  ]);
  expect((await set.image(6)).shape).toEqual([...sizeOf(6), 3]);
});

test('limits on files hold, and sides are limited', async () => {
  const wide = { width: 70000, height: 2, channels: 1 } as const;
  await temp.file('a/wide.png', await sharp(new Uint8Array(140000), { raw: wide }).png().toBuffer());
  const options = { dir: temp.path(), imageSize: 8, keep: 'original' } as const;
  await expect(data.folder(options)).rejects.toThrow(/longer than 65535/);
  await expect(data.folder({ ...options, maxPixels: 1000 })).rejects.toThrow(
    /more than 1000 \(option maxPixels\)/,
  );
});

test('bad options are refused at the call', async () => {
  const dir = await folder();
  const refused = (options: object): Promise<unknown> =>
    expect(data.folder({ dir, imageSize: 8, ...options })).rejects.toThrow(OptionError);
  await refused({ keep: 'all' });
  await refused({ keep: 480 });
  await refused({ keep: null });
  await refused({ keep: {} });
  await refused({ keep: { shortSide: 0 } });
  await refused({ keep: { shortside: 480 } });
  await refused({ keep: 'original', resize: 'contain' });
  await refused({ keep: 'original', imageSize: undefined });
  for (const shortSide of [7, [7, 20], [20, 9], [8.5, 9]] as [number, number][])
    expect(() => augment.randomScaleCrop(8, { shortSide })).toThrow(OptionError);
  const set = await kept();
  const trainer = (item: augment.Augmentation): Trainer =>
    new Trainer(nn.sequential(nn.flatten(), nn.linear(192, 2)), {
      loss: losses.crossEntropy(),
      optimizer: optim.sgd({ lr: 0.1 }),
      augment: [item],
    });
  await expect(
    trainer(augment.randomResizedCrop(8, { interpolation: 'nearest' })).fit(set, { epochs: 1 }),
  ).rejects.toThrow(/interpolation 'bilinear'/);
  await expect(
    trainer(augment.randomResizedCrop(8, { antialias: false })).fit(set, { epochs: 1 }),
  ).rejects.toThrow(/antialias true/);
  await expect(trainer(augment.custom((pixels) => pixels)).fit(set, { epochs: 1 })).rejects.toThrow(
    /images of one size/,
  );
});
