import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '../../lib/data';
import { FormatError, OptionError } from '../../lib/errors';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import * as schedules from '../../lib/schedules';
import { checkpoint, Trainer, type TrainerOptions } from '../../lib/train';
import { tensor } from '../../lib/tensor/tensor';
import { writeFileSync } from 'node:fs';
import { failure, smallTrainer, someGlyphs, temporaryDirectory, weightsDigest } from './helpers';

const dir = temporaryDirectory();
afterAll(() => rmSync(dir, { recursive: true }));

const recipe = preprocess.sequence(preprocess.meanImage(), preprocess.zca({ eps: 0.1 }));

function trainer(inputTransform: TrainerOptions['inputTransform'], seed = 3): Trainer {
  return smallTrainer(undefined, { ...(inputTransform && { inputTransform }), seed });
}

test('is fitted to the training split, kept in the model and used everywhere', async () => {
  const glyphs = await someGlyphs();
  const [train, held] = glyphs.split([150, 50]);
  const t = trainer(recipe);
  await t.fit(train, { epochs: 1, validation: held });
  const own = t.model.inputTransform!;
  const expected = await recipe.fit(train);
  const mean = async (f: preprocess.FittedTransform) =>
    Array.from(await f.state().get('0.mean')!.tensor.data());
  expect(await mean(own)).toEqual(await mean(expected));
  expect(t.model.preprocessing).toMatchObject({ mean: [0], std: [1] });

  // Evaluation and prediction agree with a model that is fed transformed samples by hand.
  const path = join(dir, 'used.safetensors');
  await t.model.save(path);
  const bare = await nn.load(path);
  delete bare.inputTransform;
  const pixels = await own.applyAll(held);
  const byHand = await bare.predict(pixels, { shape: [1, 28, 28], output: 'logits' });
  const raw = await rawPixels(held);
  const predicted = await t.model.predict(raw, { output: 'logits' });
  expect(maxDifference(predicted, byHand)).toBeLessThan(1e-5);
  const floats = await t.model.predict(
    Float32Array.from(raw, (v) => v / 255),
    { output: 'logits' },
  );
  expect(maxDifference(floats, byHand)).toBeLessThan(1e-5);
  const { accuracy } = await t.evaluate(held);
  const right = Array.from({ length: 50 }, (_, i) => {
    const row = Array.from(byHand.subarray(10 * i, 10 * i + 10));
    return Number(row.indexOf(Math.max(...row)) === held.labels![i]);
  });
  expect(accuracy).toBeCloseTo(right.reduce((a, b) => a + b, 0) / 50, 10);
});

async function rawPixels(set: data.Dataset): Promise<Uint8Array> {
  const pixels = await (
    await preprocess.center().fit(tensor(new Float32Array(784), [1, 1, 28, 28]))
  ).applyAll(set);
  return Uint8Array.from(pixels, (v) => Math.round(255 * v));
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
}

test('is saved and loaded bit for bit', async () => {
  const all = preprocess.sequence(
    preprocess.channelStandardize(),
    preprocess.standardize(),
    preprocess.zca(),
    preprocess.pca({ components: 30 }),
    preprocess.whiten({ components: 0.9, eps: 0.01 }),
  );
  const model = nn.sequential(nn.linear(4, 2)).initialize();
  model.inputTransform = await all.fit(await someGlyphs());
  const path = join(dir, 'bits.safetensors');
  await model.save(path);
  const again = await nn.load(path);
  expect(Buffer.compare(await again.toBuffer(), await model.toBuffer())).toBe(0);
  expect(again.inputTransform!.steps).toEqual(model.inputTransform.steps);
  const [mine, theirs] = [model.inputTransform, again.inputTransform!];
  expect(await theirs.applyAll(await someGlyphs())).toEqual(await mine.applyAll(await someGlyphs()));
});

test('a resumed run gives the same bits', async () => {
  const whole = trainer(recipe);
  await whole.fit(await someGlyphs(), { epochs: 2 });
  const path = join(dir, 'resumed');
  const callbacks = [checkpoint(path, { everySteps: 9 })];
  await trainer(recipe).fit(await someGlyphs(), { epochs: 2, maxSteps: 9, callbacks });
  const second = trainer(recipe);
  await second.fit(await someGlyphs(), { epochs: 2, resume: path });
  expect(await weightsDigest(second.model)).toBe(await weightsDigest(whole.model));
  const other = await failure(async () =>
    trainer(preprocess.center()).fit(await someGlyphs(), { epochs: 2, resume: path }),
  );
  expect(other).toBeInstanceOf(OptionError);
  expect(other.message).toMatch(/meanImage, zca.*center/);
});

test('cannot be added to a run that had none', async () => {
  const path = join(dir, 'plain');
  await trainer(undefined).fit(await someGlyphs(), { epochs: 1, callbacks: [checkpoint(path)] });
  const error = await failure(async () =>
    trainer(recipe).fit(await someGlyphs(), { epochs: 2, resume: path }),
  );
  expect(error.message).toMatch(/was trained without an inputTransform/);
});

test('learns from training data only, and from data sets only', async () => {
  expect(await failure(async () => trainer(recipe).evaluate(await someGlyphs()))).toBeInstanceOf(OptionError);
  const stream = [
    { inputs: tensor(new Float32Array(784), [1, 1, 28, 28]), targets: tensor(Int32Array.of(1)) },
  ];
  const plain = { augment: [], schedule: schedules.constant() };
  const unfitted = smallTrainer(undefined, { ...plain, inputTransform: recipe });
  expect((await failure(() => unfitted.fit(stream, { epochs: 1 }))).message).toMatch(/is not fitted/);
  // A stream does not say how long it is, so the schedule must not ask.
  const inputTransform = await recipe.fit(await someGlyphs());
  const fitted = smallTrainer(undefined, { ...plain, inputTransform });
  expect((await fitted.fit([...stream, ...stream], { epochs: 1 })).steps).toBe(2);
  // @ts-expect-error: not a transform
  expect(() => trainer('zca')).toThrow(OptionError);
});

test('features, and a model trained on what PCA leaves', async () => {
  const inputs = Float32Array.from({ length: 200 }, (_, i) => 1000 + 50 * Math.sin(i * i) * ((i % 5) + 1));
  const targets = Int32Array.from({ length: 40 }, (_, i) => Number(inputs[5 * i]! > 1000));
  const set = await data.fromFeatures({ inputs, shape: [5], targets });
  const t = new Trainer(nn.linear(3, 2), {
    loss: crossEntropy(),
    optimizer: optim.sgd({ lr: 0.5 }),
    inputTransform: preprocess.sequence(preprocess.standardize(), preprocess.whiten({ components: 3 })),
  });
  await t.fit(set, { epochs: 5, batchSize: 8 });
  expect((await t.model.predict(inputs)).length).toBe(80);
  expect(t.model.preprocessing).toBeUndefined();
});

test('a file whose transform is not what it should be is refused', async () => {
  const model = nn.sequential(nn.linear(4, 2)).initialize();
  model.inputTransform = await preprocess.pca().fit(
    tensor(
      Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
      [5, 4],
    ),
  );
  const { tensors, metadata } = decodeSafetensors('model', await model.toBuffer());
  const path = join(dir, 'bad.safetensors');
  const refused = async (record: unknown, drop?: string): Promise<string> => {
    const kept = new Map([...tensors].filter(([name]) => name !== drop));
    const text = JSON.stringify(record);
    writeFileSync(
      path,
      Buffer.concat(
        encodeSafetensors({ tensors: kept, metadata: new Map([...metadata, ['inputTransform', text]]) }),
      ),
    );
    const error = await failure(() => nn.load(path));
    expect(error).toBeInstanceOf(FormatError);
    return error.message;
  };
  const steps = [{ kind: 'pca', components: null, eps: 0, tolerance: 0 }];
  expect(await refused({ shape: [4], steps }, 'inputTransform.0.mean')).toMatch(/0.mean" is missing/);
  expect(await refused({ shape: [5], steps })).toMatch(/is \[4\], expected \[5\]/);
  expect(await refused({ shape: [4], steps: [{ kind: 'ica' }] })).toMatch(/is not a step of preprocessing/);
  expect(await refused({ shape: [4], steps: [] })).toMatch(/not what it should be/);
  expect(await refused({ shape: [1e9], steps })).toMatch(/bad inputTransform/);
  expect(
    await refused({ shape: [4], steps: [{ kind: 'pca', components: -1, eps: 0, tolerance: 0 }] }),
  ).toMatch(/is not a step/);
});
