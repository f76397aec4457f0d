/** Evaluation over views of each image: the loss and scores of the means that predict returns. */
import * as data from '../../lib/data';
import { OptionError, ShapeError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { evaluate, Trainer } from '../../lib/train';
import { noise } from '../support/noise';

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
