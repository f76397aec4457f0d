import * as augment from '../../lib/augment';
import type { Augmentation } from '../../lib/augment';
import { Pipeline } from '../../lib/augment/pipeline';
import { compile } from '../../lib/compile/compile';
import type { Dataset } from '../../lib/data';
import { add, cast, imageBatch, mul, reshape } from '../../lib/ops';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { checkpoint, type TrainerOptions } from '../../lib/train';
import { augmentedBatches } from '../../lib/train/augmented';
import { DatasetSource } from '../../lib/train/batch-source';
import { Stream } from '../augment/support';
import { failure, smallNet, smallTrainer, someGlyphs, temporaryDirectories, weightsDigest } from './helpers';

const directory = temporaryDirectories();

/** Brightness as a user would write it: x + 40 (2 u - 1), rounded. */
const brighter: Augmentation = {
  name: 'brighter',
  settings: { by: 40 },
  record(batch, draws) {
    const shift = reshape(draws.uniform(1), [batch.images.shape[0]!, 1, 1, 1]);
    const images = add(cast(batch.images, 'f32'), add(mul(shift, 80), -39.5));
    return { ...batch, images: cast(images, 'u8') };
  },
};

const grain = augment.custom((pixels, { random }) => {
  for (let i = 0; i < pixels.length; i++) if (random.chance(0.05)) pixels[i] = random.below(256);
});

const LIST = [
  grain,
  augment.randomCrop(28, { padding: 2 }),
  augment.oneOf([augment.rotate(10), augment.elastic({ alpha: 20 })]),
  brighter,
  augment.cutout(6),
  augment.flip({ p: 0.1 }),
];

/** The inputs of the first batch of an epoch, and which rows they are. */
async function firstBatch(list: readonly Augmentation[], data: Dataset, epoch: number) {
  const clock = runtimeScalar(() => epoch);
  const normalization = { mean: [0.2], std: [0.3] };
  const options = { seed: 3, epoch: clock, normalization, transform: undefined };
  const batches = await augmentedBatches(list, data, options);
  const cut = { batchSize: 16 };
  const source = new DatasetSource(data, { cut, shuffleSeed: 3, ...batches });
  const opened = await source.open(epoch, 0);
  const { args, size } = (await opened.next())!;
  const run = compile((...given: Tensor[]) => ({ ...source.record(given), rows: given[0]! }));
  const { inputs, targets, rows } = await run(...args);
  const read = [inputs, targets, rows].map(async (t) => [...(await t.data())]);
  const [values, labels, samples] = (await Promise.all(read)) as [number[], number[], number[]];
  run.dispose();
  await opened.close();
  return { values, labels, samples, size };
}

test('a batch is rows, then the list in its order, then normalization', async () => {
  const data = await someGlyphs();
  // A user's own op needs a step; what `apply` does with the rest is tested in test/augment.
  const list = LIST.filter((item) => item !== brighter);
  const { values, labels, samples, size } = await firstBatch(list, data, 2);
  expect(samples).toHaveLength(size);
  for (const [i, sample] of samples.entries()) {
    const image = await data.image(sample);
    expect(labels[i]).toBe(image.label);
    const options = { seed: 3, epoch: 2, samples: [sample], mean: [0.2] };
    const { pixels } = await augment.apply(list, image, options);
    const got = values.slice(i * 784, (i + 1) * 784).map((x) => Math.round((x * 0.3 + 0.2) * 255));
    expect(got).toEqual([...pixels]);
    expect(got).not.toEqual([...image.pixels]);
  }
});

test("a user's augmentation draws by the sample", async () => {
  const data = await someGlyphs();
  const { values, samples } = await firstBatch([augment.flip({ p: 0 }), brighter], data, 1);
  for (const [i, sample] of samples.entries()) {
    const shift = Math.fround(new Stream(3, sample, 2, 1).uniform()) * 80 - 39.5;
    const { pixels } = await data.image(sample);
    const wanted = [...pixels].map((x) => Math.min(255, Math.max(0, Math.trunc(x + shift))));
    const got = values.slice(i * 784, (i + 1) * 784).map((x) => Math.round((x * 0.3 + 0.2) * 255));
    for (const [at, value] of got.entries()) expect(Math.abs(value - wanted[at]!)).toBeLessThanOrEqual(1);
  }
});

/** Records a list over 3 images of 4 x 5, with these occurrences. */
function recordList(list: readonly Augmentation[], occurrence: number[] | undefined, targets: Tensor) {
  const pixels = Uint8Array.from({ length: 3 * 20 }, (_, i) => (i * 13) % 256);
  const data = tensor(pixels, [3, 1, 4, 5]);
  const index = tensor(Int32Array.of(2, 2, 0));
  const normalization = { mean: [0], std: [1] };
  const epoch = runtimeScalar(() => 4);
  const recipe = new Pipeline(list).recipe({ seed: 1, epoch, normalization, mean: [0], classes: undefined });
  const times = occurrence && tensor(Int32Array.from(occurrence));
  return recipe.record({ data, index, samples: index, occurrence: times, targets });
}

test('masks and numeric targets pass through', () => {
  const mask = tensor(
    Array.from({ length: 60 }, (_, i) => i),
    [3, 1, 4, 5],
  );
  const numbers = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
  for (const targets of [mask, numbers])
    for (const list of [[], [augment.flip()], LIST.slice(2, 3)])
      expect(recordList(list, undefined, targets).targets).toBe(targets);
});

test.each([
  ['the kernel of crop and flip', [augment.flip(), augment.randomCrop([4, 5], { padding: 2 })]],
  ['the interpreter', [augment.randomCrop([4, 5], { padding: 2 }), augment.flip(), augment.rotate(40)]],
])('a sample that comes twice in an epoch is drawn anew by %s', async (_, list) => {
  const targets = tensor([0, 0, 0]);
  const values = async (occurrence?: number[]) => {
    const all = [...(await recordList(list, occurrence, targets).inputs.data())];
    return [all.slice(0, 20), all.slice(20, 40), all.slice(40)];
  };
  const never = await values();
  expect(never[0]).toEqual(never[1]);
  expect(await values([0, 0, 0])).toEqual(never);
  const twice = await values([0, 1, 0]);
  expect([twice[0], twice[2]]).toEqual([never[0], never[2]]);
  expect(twice[1]).not.toEqual(never[0]);
});

test('a crop and a flip alone are what the kernel image_batch makes of them', async () => {
  const { inputs } = recordList(
    [augment.flip({ p: 0.4 }), augment.randomCrop(4, { padding: 1 })],
    undefined,
    tensor([0]),
  );
  const pixels = Uint8Array.from({ length: 3 * 20 }, (_, i) => (i * 13) % 256);
  const wanted = imageBatch(
    tensor(pixels, [3, 1, 4, 5]),
    tensor(Int32Array.of(2, 2, 0)),
    tensor([0]),
    tensor([1]),
    runtimeScalar(() => 4),
    { seed: 1, flip: 0.4, padding: 1, size: [4, 4] },
  );
  expect([...(await inputs.data())]).toEqual([...(await wanted.data())]);
});

describe('training', () => {
  const make = (options: Partial<TrainerOptions> = {}) =>
    smallTrainer(smallNet(), { augment: LIST, ...options });

  test('a resume within an epoch has the same bits', async () => {
    const data = await someGlyphs();
    const whole = make();
    await whole.fit(data, { epochs: 2, batchSize: 32 });
    const begun = make();
    const dir = directory();
    const save = checkpoint(dir, { everySteps: 5 });
    await begun.fit(data, { epochs: 2, batchSize: 32, maxSteps: 10, callbacks: [save] });
    const resumed = make();
    await resumed.fit(data, { epochs: 2, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
    const other = make({ augment: LIST.slice(1) });
    await other.fit(data, { epochs: 2, batchSize: 32 });
    expect(await weightsDigest(other.model)).not.toBe(await weightsDigest(whole.model));
  }, 120_000);

  const own = (record: Augmentation['record']): Augmentation => ({ name: 'mine', settings: {}, record });
  test.each<[string, Augmentation, string, string]>([
    [
      'a custom function that throws',
      augment.custom(() => {
        throw new Error('no such file');
      }),
      'ERR_TENON_DATA',
      'augment: custom: sample ',
    ],
    [
      'one that rejects',
      augment.custom(async () => Promise.reject(new Error('lost')), { name: 'remote' }),
      'ERR_TENON_DATA',
      'lost',
    ],
    [
      'one that returns another size',
      augment.custom((pixels) => pixels.subarray(1)),
      'ERR_TENON_DATA',
      'expected a Uint8Array of 28x28x1 = 784 bytes, got 783 bytes',
    ],
    [
      'one that returns something else',
      augment.custom(() => 'pixels' as never),
      'ERR_TENON_DATA',
      'got "pixels"',
    ],
    [
      'a record that returns nothing',
      own(() => undefined as never),
      'ERR_TENON_OPTION',
      'augment: mine: record must return',
    ],
    [
      'a record that returns floats',
      own((batch) => ({ ...batch, images: cast(batch.images, 'f32') })),
      'ERR_TENON_SHAPE',
      'augment: mine: record must return images u8',
    ],
    [
      'a crop that does not fit',
      augment.randomCrop(40),
      'ERR_TENON_OPTION',
      'a window of 40x40 does not fit an image of 28x28',
    ],
  ])('%s ends it with a typed error, before any step', async (_, item, code, message) => {
    const trainer = make({ augment: [item] });
    trainer.model.ensureInitialized({ seed: 3 });
    const weights = () => Promise.all(trainer.model.parameters().map((p) => p.data()));
    const before = await weights();
    const error = await failure(async () => trainer.fit(await someGlyphs(), { epochs: 1, batchSize: 32 }));
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(message);
    expect(await weights()).toEqual(before);
  });
});
