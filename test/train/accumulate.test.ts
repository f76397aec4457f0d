import { NonFiniteError } from '../../lib/errors';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { rateRange, Trainer, type FitEvent } from '../../lib/train';
import { failure, smallNet, smallTrainer, someGlyphs, weightsDigest } from './helpers';

/** Without batch norm, whose statistics are those of the small batches. */
function plainNet(): nn.Module {
  return nn.sequential(
    nn.conv2d(1, 4, { kernel: 3, stride: 2 }),
    nn.tanh(),
    nn.flatten(),
    nn.linear(4 * 13 * 13, 10),
  );
}

test.each([
  [8, 4],
  [16, 2],
])('batches of %d, %d a step, train as batches of 32 do', async (batchSize, accumulate) => {
  const glyphs = await someGlyphs();
  const run = async (options: object): Promise<[Float32Array[], number[], number]> => {
    const trainer = smallTrainer(plainNet());
    const { epochs, steps } = await trainer.fit(glyphs, { epochs: 2, ...options });
    const weights = trainer.model.parameters().map((p) => p.dataSync() as Float32Array);
    return [weights, epochs.map((e) => e.trainLoss), steps];
  };
  const [large, losses, steps] = await run({ batchSize: 32 });
  const [small, found, taken] = await run({ batchSize, accumulate });
  expect(taken).toBe(steps);
  found.forEach((loss, i) => expect(loss).toBeCloseTo(losses[i]!, 5));
  large.forEach((values, t) =>
    values.forEach((v, i) => expect(Math.abs(v - small[t]![i]!)).toBeLessThan(1e-5)),
  );
});

test('events count steps; the loss of a step is the mean over its samples', async () => {
  const glyphs = await someGlyphs();
  const events: FitEvent[] = [];
  const seen: number[] = [];
  const trainer = smallTrainer(plainNet(), { optimizer: optim.sgd({ lr: 0 }) });
  await trainer.fit(glyphs, {
    epochs: 1,
    batchSize: 32,
    accumulate: 7,
    callbacks: [
      {
        everySteps: 1,
        onEvent: (event) => void events.push(event),
        onSteps: (_, { lastStep }) => void seen.push(lastStep!.loss),
      },
    ],
  });
  expect(events[0]).toMatchObject({ type: 'start', stepsPerEpoch: 1 });
  expect(events.find((e) => e.type === 'step')).toMatchObject({ step: 1, stepInEpoch: 1, stepsPerEpoch: 1 });
  const epoch = events.find((e) => e.type === 'epoch');
  expect(seen[0]).toBeCloseTo(epoch!.trainLoss, 6);
});

test('the layer is named when one of several batches is not finite', async () => {
  const model = plainNet().initialize({ seed: 1 });
  const data = Float32Array.from({ length: 16 * 784 }, (_, i) => (i === 9 * 784 ? NaN : i % 7));
  const batches = Array.from({ length: 4 }, (_, i) => ({
    inputs: { data: data.slice(i * 4 * 784, (i + 1) * 4 * 784), shape: [4, 1, 28, 28] },
    targets: { data: Int32Array.of(0, 1, 2, 3), shape: [4] },
  }));
  const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
  const before = await weightsDigest(model);
  const error = await failure(() => trainer.fit(batches, { epochs: 1, accumulate: 4 }));
  expect(error).toBeInstanceOf(NonFiniteError);
  expect(error.message).toContain("conv2d '0' in the forward pass");
  expect(await weightsDigest(model)).toBe(before);
});

test('the range test finds where the loss explodes, and leaves the model as it was', async () => {
  const glyphs = await someGlyphs();
  const model = smallNet().initialize({ seed: 3 }).eval();
  const before = await weightsDigest(model);
  const optimizer = optim.sgd({ lr: 0.1 });
  const { points, suggestion } = await rateRange(model, glyphs, {
    loss: crossEntropy(),
    optimizer,
    from: 1e-4,
    to: 1e4,
    steps: 80,
  });
  expect(await weightsDigest(model)).toBe(before);
  expect([...model.namedModules().values()].some((module) => module.training)).toBe(false);
  expect(points.length).toBeGreaterThan(20);
  expect(points.length).toBeLessThan(80);
  points.forEach(({ learningRate }, i) => expect(learningRate / 10 ** (-4 + (8 * i) / 79)).toBeCloseTo(1, 9));
  const last = points[points.length - 1]!;
  expect(last.smoothed).toBeGreaterThan(4 * Math.min(...points.map((p) => p.smoothed)));
  expect(suggestion).toBeLessThan(last.learningRate / 10);
  await expect(rateRange(model, glyphs, undefined as never)).rejects.toThrow('options are missing');
  await expect(rateRange(model, [] as never, { loss: crossEntropy(), optimizer })).rejects.toThrow('Dataset');
});
