/** Models that are trained on parts of images, and see their centres afterwards. */
import * as augment from '../../lib/augment';
import * as data from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import { slice } from '../../lib/ops';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { evaluate, Trainer, type TrainerOptions } from '../../lib/train';
import { failure, someGlyphs } from './helpers';

const SIDE = 21;
/** Where the centre of 21 of 28 begins: at 3.5, rounded to the even number as in torchvision. */
const BEGIN = 4;

/** A net whose size is that of its images. */
function net(side = SIDE): nn.Module {
  return nn.sequential(nn.flatten(), nn.linear(side * side, 10)).initialize({ seed: 2 });
}

function trainer(
  model: nn.Module,
  list: readonly augment.Augmentation[],
  more: Partial<TrainerOptions> = {},
) {
  const optimizer = optim.sgd({ lr: 0.05 });
  return new Trainer(model, { loss: crossEntropy(), optimizer, augment: [...list], seed: 4, ...more });
}

async function trained(list: readonly augment.Augmentation[]): Promise<[nn.Module, Dataset]> {
  const model = net();
  const set = (await someGlyphs()).take(40);
  await trainer(model, list).fit(set, { epochs: 1, batchSize: 20 });
  return [model, set];
}

/** Windows of each image that begin here, as a model is given them: normalized floats. */
async function windows(set: Dataset, { mean, std }: nn.Preprocessing, y = BEGIN, x = BEGIN) {
  const inputs: number[] = [];
  for (let i = 0; i < set.length; i++) {
    const { pixels } = await set.image(i);
    for (let row = y; row < y + SIDE; row++)
      for (const byte of pixels.subarray(row * 28 + x, row * 28 + x + SIDE))
        inputs.push((byte / 255 - mean[0]!) / std[0]!);
  }
  return Float32Array.from(inputs);
}

async function raw(set: Dataset): Promise<Uint8Array> {
  const images = await Promise.all(Array.from({ length: set.length }, (_, i) => set.image(i)));
  return Uint8Array.from(Buffer.concat(images.map(({ pixels }) => pixels)));
}

function near(got: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(got).toHaveLength(expected.length);
  for (let i = 0; i < got.length; i++) expect(got[i]).toBeCloseTo(expected[i]!, 5);
}

test('predictions and evaluation see the centre, in the size that the model was trained on', async () => {
  const [model, set] = await trained([augment.randomCrop(SIDE), augment.flip({ p: 0.2 })]);
  const { preprocessing } = model;
  expect(preprocessing).toMatchObject({ height: 28, width: 28, channels: 1, crop: [SIDE, SIDE] });
  const expected = await model.predict(await windows(set, preprocessing!));
  near(await model.predict(set), expected);
  near(await model.predict(await raw(set)), expected);
  near(model.predictSync(await raw(set)), expected);
  const logLikelihood = Array.from({ length: set.length }, async (_, i) => {
    const { label } = await set.image(i);
    return Math.log(expected[10 * i + label]!);
  });
  const sum = (await Promise.all(logLikelihood)).reduce((a, b) => a + b, 0);
  const { loss } = await evaluate(model, set, { loss: crossEntropy() });
  expect(loss).toBeCloseTo(-sum / set.length, 5);
  const features = await model.predict(set, { at: '0' });
  near(features, await windows(set, preprocessing!));
});

test('validation in training sees the same', async () => {
  const model = net();
  const set = (await someGlyphs()).take(40);
  const made = trainer(model, [augment.randomCrop(SIDE)]);
  const history = await made.fit(set, { epochs: 2, batchSize: 20, validation: set });
  const { loss, accuracy } = await made.evaluate(set);
  const last = history.epochs[1]!;
  expect([last.validationLoss, last.validationAccuracy]).toEqual([loss, accuracy]);
});

test('windows of a test are as large as the crop', async () => {
  const [model, set] = await trained([augment.randomCrop(SIDE)]);
  const places = [
    [0, 0],
    [0, 7],
    [7, 0],
    [7, 7],
    [BEGIN, BEGIN],
  ];
  const mean = new Float64Array(set.length * 10);
  for (const [y, x] of places) {
    const one = await model.predict(await windows(set, model.preprocessing!, y, x));
    one.forEach((p, i) => (mean[i]! += p / places.length));
  }
  near(await model.predict(set, { crops: 5 }), mean);
  near(await model.predict(await raw(set), { crops: 5 }), mean);
  const { loss } = await evaluate(model, set, { loss: crossEntropy(), crops: 5 });
  const labels = await Promise.all(
    Array.from({ length: set.length }, async (_, i) => (await set.image(i)).label),
  );
  expect(loss).toBeCloseTo(-labels.reduce((s, l, i) => s + Math.log(mean[10 * i + l]!), 0) / set.length, 5);
});

test('a saved model keeps it, and another training settles it anew', async () => {
  const [model, set] = await trained([augment.randomCrop(SIDE)]);
  const loaded = await nn.load(Buffer.from(await model.toBuffer()));
  expect(loaded.preprocessing).toEqual(model.preprocessing);
  expect(await loaded.predict(set)).toEqual(await model.predict(set));
  const free = nn.sequential(nn.conv2d(1, 10, { kernel: 3 }), nn.globalAvgPool2d(), nn.flatten());
  const fit = (list: readonly augment.Augmentation[]) => trainer(free, list).fit(set, { epochs: 1 });
  await fit([augment.randomResizedCrop([14, 20])]);
  expect(free.preprocessing?.crop).toEqual([14, 20]);
  for (const list of [[], [augment.randomCrop(28, { padding: 2 })], [augment.randomResizedCrop(40)]]) {
    await fit(list);
    expect(free.preprocessing).not.toHaveProperty('crop');
  }
});

test.each([
  ['a function of yours before it', [augment.custom(() => undefined), augment.randomCrop(SIDE)]],
  ['mixing behind it', [augment.randomCrop(SIDE), augment.mixup()]],
  [
    'an augmentation that records ops',
    [
      {
        name: 'half',
        settings: {},
        record: (batch: augment.ImageBatch) => {
          const [count = 0] = batch.images.shape;
          return { ...batch, images: slice(batch.images, [0, 0, 0, 0], [count, 1, SIDE, SIDE]) };
        },
      },
    ],
  ],
])('the size is that of the whole list: %s', async (_, list) => {
  const [model] = await trained(list);
  expect(model.preprocessing?.crop).toEqual([SIDE, SIDE]);
});

test('a set of smaller images is refused', async () => {
  const [model] = await trained([augment.randomCrop(SIDE)]);
  const small = data.fromArrays({ images: new Uint8Array(200), labels: [0, 1], shape: [10, 10, 1] });
  const error = await failure(async () => evaluate(model, await small, { loss: crossEntropy() }));
  expect(error).toMatchObject({ code: 'ERR_TENON_SHAPE' });
  expect(String(error)).toContain('the model takes the centre 21x21 of images, these are 10x10');
});

test('an inputTransform is fitted to the centres', async () => {
  const model = net();
  const set = (await someGlyphs()).take(40);
  const made = trainer(model, [augment.randomCrop(SIDE)], { inputTransform: preprocess.standardize() });
  await made.fit(set, { epochs: 1, batchSize: 20 });
  expect(model.inputTransform?.inputShape).toEqual([1, SIDE, SIDE]);
  await made.evaluate(set);
});

test.each([
  [[29, 28], 'a crop of 29x28 does not fit into images of 28x28'],
  [[0, 28], 'the height of crop must be a whole number from 1 to 65535, got 0'],
  [21, 'crop must be [height, width], got 21'],
])('a crop of %j', (crop, message) => {
  const model = net();
  const settings = { height: 28, width: 28, channels: 1, mean: [0], std: [1] };
  expect(() => (model.preprocessing = { ...settings, crop: crop as never })).toThrow(message);
});
