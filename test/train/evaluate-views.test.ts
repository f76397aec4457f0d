/** Evaluation over views of each image: the loss and scores of the means that predict returns. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import * as augment from '../../lib/augment';
import * as data from '../../lib/data';
import { OptionError, ShapeError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import * as nn from '../../lib/nn';
import { load } from '../../lib/nn/files/load';
import * as optim from '../../lib/optim';
import { evaluate, Trainer } from '../../lib/train';
import { noise } from '../support/noise';

const directory = mkdtempSync(join(tmpdir(), 'tenon-views-'));
afterAll(() => rmSync(directory, { recursive: true }));

const COUNT = 13;
const CLASSES = 6;
const pixels = Uint8Array.from(Array.from({ length: COUNT }, (_, i) => [...noise(14, 18, 3, i + 1)]).flat());
const labels = Array.from({ length: COUNT }, (_, i) => (i * 5) % CLASSES);

function model(): nn.Module {
  const net = nn.sequential(nn.conv2d(3, 4, { kernel: 3 }), nn.flatten(), nn.linear(96, CLASSES));
  net.preprocessing = { height: 8, width: 6, channels: 3, mean: [0.5, 0.5, 0.5], std: [0.1, 0.1, 0.1] };
  return net.initialize({ seed: 3 });
}

const images = (): Promise<data.Dataset> => data.fromArrays({ images: pixels, labels, shape: [14, 18, 3] });
const views = { crops: 10, scales: [9, 20] } as const;

/** Mean cross-entropy and accuracy of the probabilities that predict returns, in float64. */
async function scoresOf(net: nn.Module, set: data.Dataset): Promise<{ loss: number; accuracy: number }> {
  const p = await net.predict(set, views);
  let [loss, right] = [0, 0];
  labels.forEach((label, i) => {
    const row = p.subarray(i * CLASSES, (i + 1) * CLASSES);
    loss -= Math.log(row[label]!) / COUNT;
    if (row.indexOf(Math.max(...row)) === label) right++;
  });
  return { loss, accuracy: right / COUNT };
}

test('the loss and accuracy of the mean probabilities, and metrics of them', async () => {
  const [net, set] = [model(), await images()];
  const want = await scoresOf(net, set);
  const top = metrics.running(metrics.topK(3));
  const got = await evaluate(net, set, { loss: losses.crossEntropy(), ...views, metrics: [top] });
  expect(got.loss).toBeCloseTo(want.loss, 5);
  expect(got.accuracy).toBe(want.accuracy);
  const p = await net.predict(set, views);
  const right = labels.filter((label, i) => {
    const row = [...p.subarray(i * CLASSES, (i + 1) * CLASSES)];
    return row.filter((value) => value > row[label]!).length < 3;
  });
  expect(await top.value()).toBeCloseTo(right.length / COUNT, 12);
  const once = await evaluate(net, set, { loss: losses.crossEntropy(), crops: 1, scales: [9] });
  expect(once.loss).not.toBeCloseTo(want.loss, 3);
});

test('the same for every batch size, and from the trainer', async () => {
  const [net, set] = [model(), await images()];
  const loss = losses.crossEntropy();
  const all = await evaluate(net, set, { loss, ...views });
  const small = await evaluate(net, set, { loss, ...views, batchSize: 4 });
  expect(small.accuracy).toBe(all.accuracy);
  expect(small.loss).toBeCloseTo(all.loss, 9);
  const trainer = new Trainer(net, { loss, optimizer: optim.sgd({ lr: 0.1 }) });
  expect(await trainer.evaluate(set, views)).toEqual(all);
});

test('one view at one scale', async () => {
  const [net, set] = [model(), await images()];
  const { loss } = await evaluate(net, set, { loss: losses.crossEntropy(), crops: 1, scales: [9] });
  const single = await net.predict(set, { crops: 1, scales: [9] });
  const want = labels.reduce((sum, label, i) => sum - Math.log(single[i * CLASSES + label]!) / COUNT, 0);
  expect(loss).toBeCloseTo(want, 5);
});

test('noise and views are averaged together', async () => {
  const net = nn.sequential(nn.flatten(), nn.dropout(0.5), nn.linear(144, CLASSES));
  net.preprocessing = { height: 8, width: 6, channels: 3, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] };
  net.initialize({ seed: 1 });
  const set = await images();
  const options = { crops: 5, samples: 3, seed: 7 } as const;
  const p = await net.predict(set, options);
  const { loss } = await evaluate(net, set, { loss: losses.crossEntropy(), ...options, batchSize: 5 });
  const want = labels.reduce((sum, label, i) => sum - Math.log(p[i * CLASSES + label]!) / COUNT, 0);
  expect(loss).toBeCloseTo(want, 5);
});

test('bad options are refused', async () => {
  const [net, set] = [model(), await images()];
  const loss = losses.crossEntropy();
  await expect(evaluate(net, set, { loss, crops: 3 as 5 })).rejects.toThrow(OptionError);
  await expect(evaluate(net, set, { loss, scales: [7] })).rejects.toThrow(ShapeError);
  await expect(evaluate(net, [], { loss, crops: 5 })).rejects.toThrow(/images of a Dataset/);
  const bare = nn.sequential(nn.flatten(), nn.linear(144, CLASSES));
  await expect(evaluate(bare, set, { loss, crops: 5 })).rejects.toThrow(/need model.preprocessing/);
  const features = await data.fromFeatures({ inputs: new Float32Array(6), targets: [0], shape: [6] });
  await expect(evaluate(net, features, { loss, crops: 5 })).rejects.toThrow(OptionError);
});

describe('validation in fit', () => {
  // Noise of the seeds and views have their own passes, so both are asked for together.
  const net = (): nn.Module => nn.sequential(nn.flatten(), nn.dropout(0.5), nn.linear(144, CLASSES));
  const options = { ...views, scales: [9, 20], samples: 2, seed: 5, batchSize: 4 } as const;
  const trainer = (): Trainer => {
    const trained = net();
    trained.preprocessing = { height: 8, width: 6, channels: 3, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] };
    const augmented = [augment.randomResizedCrop([8, 6])];
    const optimizer = optim.sgd({ lr: 0.05 });
    return new Trainer(trained, { loss: losses.crossEntropy(), optimizer, augment: augmented, seed: 2 });
  };

  test('over views and passes is what evaluate measures of the same weights', async () => {
    const set = await keptSet();
    const [run, seen] = [trainer(), [] as nn.Module[]];
    const { epochs } = await run.fit(set, {
      ...{ epochs: 2, batchSize: 5, validation: { data: set, ...options } },
      callbacks: [
        { onEvent: async (event) => void (event.type === 'epoch' && seen.push(await copyOf(run))) },
      ],
    });
    for (const [i, { validationLoss, validationAccuracy }] of epochs.entries()) {
      const want = await evaluate(seen[i]!, set, { loss: losses.crossEntropy(), ...options });
      expect([validationLoss, validationAccuracy]).toEqual([want.loss, want.accuracy]);
    }
    const plain = await evaluate(seen[1]!, set, { loss: losses.crossEntropy() });
    expect(plain.loss).not.toBeCloseTo(epochs[1]!.validationLoss!, 4);
  });

  test('does not change the training, and { data } alone is the set itself', async () => {
    const set = await keptSet();
    const fit = { epochs: 2, batchSize: 5 };
    const run = async (validation?: object) =>
      (await trainer().fit(set, { ...fit, validation: validation as data.Dataset })).epochs.map((e) => [
        e.trainLoss,
        e.validationLoss,
      ]);
    const [none, alone, set1, withViews] = [
      await run(),
      await run({ data: set }),
      await run(set),
      await run({ data: set, ...options }),
    ];
    expect(alone).toEqual(set1);
    expect(withViews.map(([loss]) => loss)).toEqual(none.map(([loss]) => loss));
    expect(withViews).not.toEqual(alone);
  });

  test('refuses wrong options at the call, and windows that do not fit before the first step', async () => {
    const set = await keptSet();
    const bad = (validation: object) => () => void trainer().fit(set, { epochs: 1, validation } as never);
    expect(bad({ data: 3 })).toThrow(/fit: validation must be a Dataset, or { data: a Dataset, ... }/);
    expect(bad({ data: set, crop: 5 })).toThrow(
      /fit: validation: unknown option "crop" \(did you mean "crops"/,
    );
    expect(bad({ data: set, crops: 3 })).toThrow(/fit: validation: crops must be one of 1, 5, 10/);
    expect(bad({ data: set, seed: 3 })).toThrow(/fit: validation: seed is for samples/);
    expect(bad({ data: set, batchSize: 0 })).toThrow(/fit: validation: batchSize/);
    let steps = 0;
    const callbacks = [{ everySteps: 1, onSteps: () => void steps++ }];
    const validation = { data: set, crops: 5, scales: [7] } as const;
    const fit = trainer().fit(set, { epochs: 1, validation, callbacks });
    await expect(fit).rejects.toThrow(/fit: validation: a crop of 8x6 does not fit into/);
    expect(steps).toBe(0);
  });
});

/** The weights of the moment in a model of their own. */
async function copyOf({ model: trained }: Trainer): Promise<nn.Module> {
  return load(await trained.toBuffer());
}

/** Images of sizes of their own, of which models see 8x6. */
async function keptSet(): Promise<data.Dataset> {
  for (let i = 0; i < COUNT; i++) {
    const [height, width] = [14 + i, 18 - (i % 5)];
    const folder = join(directory, `class${labels[i]!}`);
    mkdirSync(folder, { recursive: true });
    const image = sharp(noise(height, width, 3, i + 1), { raw: { height, width, channels: 3 } });
    writeFileSync(join(folder, `${i}.png`), await image.png().toBuffer());
  }
  return data.folder({ dir: directory, imageSize: [8, 6], keep: 'original' });
}
