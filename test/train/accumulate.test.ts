import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { NonFiniteError, OptionError } from '../../lib/errors';
import { crossEntropy, mse } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { rateRange, Trainer, type FitControl, type FitEvent } from '../../lib/train';
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

describe('weighted batches', () => {
  const values = async (model: nn.Module): Promise<number[]> =>
    (await Promise.all(model.parameters().map((p) => p.data()))).flatMap((data) => [...data]);

  test.each([
    ['of samples', crossEntropy({ labelSmoothing: 0.1 })],
    ['of samples and classes', crossEntropy({ classWeights: 'balanced' })],
  ])('%s train as one large batch does, at the same loss', async (_, loss) => {
    const glyphs = await someGlyphs();
    // Their sums differ much from batch to batch.
    const data = glyphs.withWeights(Array.from({ length: glyphs.length }, (_, i) => 0.01 + (i % 13) ** 2));
    const run = async (batchSize: number, accumulate: number) => {
      const trainer = smallTrainer(plainNet(), { loss });
      const seen: number[] = [];
      const onSteps = (_step: number, control: FitControl): void => void seen.push(control.lastStep!.loss);
      const callbacks = [{ everySteps: 1, onSteps }];
      const { epochs } = await trainer.fit(data, { epochs: 2, batchSize, accumulate, callbacks });
      return { weights: await values(trainer.model), losses: [...seen, ...epochs.map((e) => e.trainLoss)] };
    };
    const [large, small] = [await run(32, 1), await run(8, 4)];
    small.losses.forEach((loss, i) => expect(loss).toBeCloseTo(large.losses[i]!, 5));
    expect(small.losses).toHaveLength(2 * 7 + 2);
    const far = Math.max(...small.weights.map((w, i) => Math.abs(w - large.weights[i]!)));
    expect(far).toBeLessThan(1e-5);
  });

  const xs = Array.from({ length: 12 }, (_, i) => Math.sin(7 * i + 1));
  const ys = xs.map((x, i) => 2 * x - 0.5 + Math.cos(5 * i));

  /** The scale and the offset after a step of SGD, in float64. */
  function expected(weights: readonly number[], [w, b]: readonly [number, number]): [number, number] {
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    const errors = xs.map((x, i) => (2 * weights[i]! * (w * x + b - ys[i]!)) / total);
    const dw = errors.reduce((sum, e, i) => sum + e * xs[i]!, 0);
    const db = errors.reduce((sum, e) => sum + e, 0);
    return [w - 0.1 * dw, b - 0.1 * db];
  }

  test.each([
    ['different', (i: number) => 0.1 + (i % 5) ** 2],
    ['none in the first batches', (i: number) => (i < 6 ? 0 : i)],
    ['none in the last batches', (i: number) => (i < 5 ? 1 + i : 0)],
    ['none at all', () => 0],
  ])('of a loop of your own make the step of float64: %s', async (_, weightOf) => {
    const model = nn.sequential(nn.linear(1, 1)).initialize({ seed: 4 });
    const optimizer = optim.sgd({ lr: 0.1 });
    const loss = mse();
    const part = (update: boolean) =>
      compile((x: Tensor, y: Tensor, weights: Tensor) => {
        const outputs = model.forward(x);
        const gradients = grad(loss(outputs, y, weights));
        const samples = loss.divisor!(outputs, y, weights)!;
        if (update) optimizer.update(gradients, { samples });
        else optimizer.accumulate(gradients, samples);
      });
    const [add, update] = [part(false), part(true)];
    const weights = xs.map((_, i) => weightOf(i));
    const batch = (from: number, to: number): [Tensor, Tensor, Tensor] => [
      tensor(xs.slice(from, to), [to - from, 1]),
      tensor(ys.slice(from, to), [to - from, 1]),
      tensor(weights.slice(from, to), [to - from]),
    ];
    let want = (await values(model)) as [number, number];
    // The second step forgets the weights of the first.
    for (let step = 0; step < 2; step++) {
      await add(...batch(0, 3));
      await add(...batch(3, 5));
      await update(...batch(5, 12));
      want = expected(weights, want);
    }
    (await values(model)).forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 6));
  });

  test('and batches without weights do not make one step', async () => {
    const inputs = { data: new Float32Array(784 * 2), shape: [2, 1, 28, 28] };
    const targets = { data: Int32Array.of(1, 2), shape: [2] };
    const weights = { data: Float32Array.of(1, 2), shape: [2] };
    const [weighted, plain] = [
      { inputs, targets, weights },
      { inputs, targets },
    ];
    for (const stream of [
      [weighted, plain],
      [plain, weighted],
    ]) {
      const optimizer = optim.sgd({ lr: 0.1 });
      const trainer = new Trainer(plainNet(), { loss: crossEntropy(), optimizer });
      const error = await failure(() => trainer.fit(stream, { epochs: 1, accumulate: 2 }));
      expect(error).toBeInstanceOf(OptionError);
      expect(error.message).toContain('must all count by numbers of samples, or all by sums of weights');
    }
  });
});
