/** Test-time augmentation: outputs are means over windows of each image, at several sizes of it. */
import * as data from '../../lib/data';
import { OptionError, ShapeError } from '../../lib/errors';
import * as nn from '../../lib/nn';
import type { PredictOptions } from '../../lib/nn';
import recorded from '../fixtures/crops.json';
import { noise } from '../support/noise';

/** For images of 8 x 6 pixels. */
function model(channels = 3): nn.Module {
  const net = nn.sequential(nn.conv2d(channels, 4, { kernel: 3 }), nn.flatten(), nn.linear(96, 5));
  net.preprocessing = {
    height: 8,
    width: 6,
    channels,
    mean: Array<number>(channels).fill(0.45),
    std: Array<number>(channels).fill(0.1),
  };
  return net.initialize({ seed: 3 });
}

const many = (count: number, h: number, w: number): Uint8Array =>
  Uint8Array.from(Array.from({ length: count }, (_, i) => [...noise(h, w, 3, i + 1)]).flat());

describe('means over what torchvision cuts out', () => {
  it.each(recorded.views)('$image, short side $short', async ({ image, short, size, ten, centre }) => {
    const [h = 0, w = 0, c = 0, seed = 0] = image;
    const net = nn.sequential(nn.flatten(), nn.linear(size[0]! * size[1]! * c, 5)).initialize({ seed: 4 });
    const [mean, std] = [Array<number>(c).fill(0.5), Array<number>(c).fill(0.2)];
    net.preprocessing = { height: size[0]!, width: size[1]!, channels: c, mean, std };
    const meanOf = async (crops: string): Promise<number[]> => {
      const rows = await net.predict(Buffer.from(crops, 'base64'));
      const count = rows.length / 5;
      return Array.from({ length: 5 }, (_, k) =>
        Math.fround(
          Array.from({ length: count }, (_, i) => rows[i * 5 + k]!).reduce((a, b) => a + b) / count,
        ),
      );
    };
    const options = { imageSize: [h, w] as const, ...(short > 0 && { scales: [short] }) };
    const pixels = noise(h, w, c, seed);
    expect([...(await net.predict(pixels, { ...options, crops: 10 }))]).toEqual(await meanOf(ten));
    const five = Buffer.from(ten, 'base64').subarray(0, Buffer.from(ten, 'base64').length / 2);
    expect([...(await net.predict(pixels, { ...options, crops: 5 }))]).toEqual(
      await meanOf(five.toString('base64')),
    );
    expect([...(await net.predict(pixels, { ...options, crops: 1 }))]).toEqual(await meanOf(centre));
  });
});

test('scales are averaged as well, and one of them alone is enough', async () => {
  const net = model();
  const pixels = many(4, 20, 30);
  const options: PredictOptions = { imageSize: [20, 30], output: 'logits' };
  const [small, large] = [
    await net.predict(pixels, { ...options, scales: [12] }),
    await net.predict(pixels, { ...options, scales: [40] }),
  ];
  const both = await net.predict(pixels, { ...options, scales: [12, 40] });
  expect([...both]).toEqual(Array.from(small, (value, i) => Math.fround((value + large[i]!) / 2)));
  expect([...small]).not.toEqual([...large]);
});

test('the same bits for every batch size, sync and async, raw and of a data set', async () => {
  const net = model();
  const pixels = many(9, 20, 30);
  const views: PredictOptions = { crops: 10, scales: [9, 16, 30] };
  const all = await net.predict(pixels, { ...views, imageSize: [20, 30] });
  expect(all).toHaveLength(45);
  for (const batchSize of [1, 2, 7])
    expect(await net.predict(pixels, { ...views, imageSize: [20, 30], batchSize })).toEqual(all);
  expect(net.predictSync(pixels, { ...views, imageSize: [20, 30], batchSize: 4 })).toEqual(all);
  const set = await data.fromArrays({
    images: pixels,
    labels: Array.from({ length: 9 }, (_, i) => i % 5),
    shape: [20, 30, 3],
  });
  expect(await net.predict(set, { ...views, batchSize: 4 })).toEqual(all);
  const some = set.selectClasses(['1', '2']);
  expect([...(await net.predict(some, views))]).toEqual(
    [1, 2, 6, 7].flatMap((i) => [...all.slice(i * 5, i * 5 + 5)]),
  );
  set.dispose();
});

test('programs for views and for whole images do not replace each other', async () => {
  const net = model();
  const pixels = many(3, 8, 6);
  const plain = await net.predict(pixels);
  const centre = await net.predict(pixels, { crops: 1 });
  expect(centre).toEqual(plain); // the window is the image
  expect(await net.predict(pixels)).toEqual(plain);
});

test('bad options are refused at the call', () => {
  const net = model();
  const pixels = many(2, 20, 30);
  const refused = (options: object, input: Uint8Array | Float32Array = pixels): unknown => {
    try {
      net.predictSync(input, options);
    } catch (error) {
      return error;
    }
    return undefined;
  };
  const size = { imageSize: [20, 30] };
  for (const options of [
    { ...size, crops: 2 },
    { ...size, crops: 0 },
    { ...size, scales: [] },
    { ...size, scales: [16.5] },
    { ...size, scales: [0] },
    { ...size, scales: [65536] },
    { ...size, scales: 16 },
    { ...size, scales: Array<number>(101).fill(16) },
    size,
    { crop: 5 },
  ])
    expect(refused(options)).toBeInstanceOf(OptionError);
  expect(refused({ ...size, crops: 1, imageSize: 0 })).toBeInstanceOf(ShapeError);
  expect(refused({ ...size, crops: 1, imageSize: 17 })).toBeInstanceOf(ShapeError); // not as many bytes
  expect(String(refused({ ...size, crops: 5, scales: [16, 7] }))).toMatch(
    /predict: a crop of 8x6 does not fit into the images, 7x10 at scale 7/,
  );
  expect(String(refused({ imageSize: [7, 30], crops: 5 }, many(2, 7, 30)))).toMatch(
    /a crop of 8x6 does not fit into the images, 7x30$/,
  );
  expect(String(refused({ imageSize: [1, 65535], scales: [65535] }, new Uint8Array(65535 * 3)))).toMatch(
    /at scale 65535/,
  );
  expect(refused({ crops: 5 }, new Float32Array(144))).toBeInstanceOf(OptionError);
});

test('a data set is refused whose images do not fit', async () => {
  const net = model();
  const grey = await data.fromArrays({ images: new Uint8Array(600), labels: [0], shape: [20, 30, 1] });
  await expect(net.predict(grey, { crops: 5 })).rejects.toThrow(/takes images of 3 channels.* have 1/);
  const small = await data.fromArrays({ images: new Uint8Array(90), labels: [0], shape: [5, 6, 3] });
  await expect(net.predict(small, { crops: 5 })).rejects.toThrow(/does not fit into image 0, 5x6/);
  await expect(net.predict(small, { crops: 5, scales: [8] })).resolves.toHaveLength(5);
  await expect(net.predict(small, { crops: 5, imageSize: 5 })).rejects.toThrow(/imageSize/);
  const features = await data.fromFeatures({ inputs: new Float32Array(6), targets: [0], shape: [6] });
  await expect(net.predict(features, { crops: 5 })).rejects.toThrow(OptionError);
});

test('stops between views', async () => {
  const net = model();
  const controller = new AbortController();
  const pending = net.predict(many(2, 20, 30), {
    imageSize: [20, 30],
    crops: 10,
    scales: Array<number>(50).fill(16),
    signal: controller.signal,
  });
  controller.abort();
  await expect(pending).rejects.toThrow('predict: aborted');
});
