/** Training on what a sampler draws, and with weights of samples. */
import * as augment from '../../lib/augment';
import { weightedRandomSampler, type Dataset } from '../../lib/data';
import { crossEntropy, mse } from '../../lib/losses';
import type * as nn from '../../lib/nn';
import { checkpoint, evaluate, Trainer, type FitOptions } from '../../lib/train';
import * as optim from '../../lib/optim';
import { tensor } from '../../lib/tensor/tensor';
import { failure, smallNet, smallTrainer, someGlyphs, temporaryDirectories, weightsDigest } from './helpers';

const directory = temporaryDirectories();

async function trained(
  data: Dataset,
  options: Partial<FitOptions>,
): Promise<{ digest: string; model: nn.Module }> {
  const trainer = smallTrainer();
  await trainer.fit(data, { epochs: 2, ...options });
  return { digest: await weightsDigest(trainer.model), model: trainer.model };
}

describe('a weighted sampler', () => {
  const sampler = weightedRandomSampler({ weights: 'balanced', numSamples: 150 });

  test('decides how many samples an epoch has', async () => {
    const trainer = smallTrainer();
    const { steps, epochs } = await trainer.fit(await someGlyphs(), { epochs: 2, sampler });
    expect([steps, epochs.length]).toEqual([10, 2]);
    const plain = await trained(await someGlyphs(), {});
    expect(await weightsDigest(trainer.model)).not.toBe(plain.digest);
  });

  test('goes on within an epoch after a resume, with the same bits', async () => {
    const data = await someGlyphs();
    const whole = await trained(data, { sampler });
    const dir = directory();
    const callbacks = [checkpoint(dir, { everySteps: 1 })];
    await trained(data, { sampler, maxSteps: 7, callbacks });
    expect((await trained(data, { sampler, resume: dir })).digest).toBe(whole.digest);
  });

  test('of other draws, or none, is refused in the middle of an epoch', async () => {
    const data = await someGlyphs();
    const dir = directory();
    await trained(data, { sampler, maxSteps: 2, callbacks: [checkpoint(dir, { everySteps: 1 })] });
    const weights = Array.from({ length: data.length }, (_, i) => 1 + (i % 2));
    const other = weightedRandomSampler({ weights, numSamples: 150 });
    for (const [options, message] of [
      [{ sampler: other }, 'over other samples than this run'],
      [{}, 'in the middle of an epoch with samples 150, this run has 203'],
    ] as const)
      expect((await failure(() => trained(data, { ...options, resume: dir }))).message).toContain(message);
  });

  test('draws a sample again with another augmentation', async () => {
    // One image, drawn eight times into one batch: with occurrences, some are mirrored and some are not.
    const data = (await someGlyphs()).subset([2]);
    const losses: number[] = [];
    for (const p of [0, 0.5, 1]) {
      const options = { augment: [augment.flip({ p })], optimizer: optim.sgd({ lr: 0 }) };
      const one = weightedRandomSampler({ weights: [1], numSamples: 8 });
      const fit = { epochs: 1, sampler: one, batchSize: 8 };
      losses.push((await smallTrainer(smallNet(), options).fit(data, fit)).epochs[0]!.trainLoss);
    }
    // Without occurrences, all eight would be mirrored, or none.
    expect(new Set(losses).size).toBe(3);
  });

  test('gives a function of the user draws by occurrence, whatever the batch size', async () => {
    const data = (await someGlyphs()).take(3);
    const draws = async (batchSize: number): Promise<string[]> => {
      const seen: string[] = [];
      const custom = augment.custom((pixels, { sample, random }) => {
        seen.push(`${sample} ${random.uniform()}`);
        return pixels;
      });
      const options = { augment: [custom, augment.rotate(30)], optimizer: optim.sgd({ lr: 0 }) };
      const three = weightedRandomSampler({ weights: [1, 1, 1], numSamples: 12 });
      const fit = { epochs: 1, sampler: three, batchSize, lastBatch: 'keep' } as const;
      await smallTrainer(smallNet(), options).fit(data, fit);
      return seen;
    };
    const whole = await draws(12);
    expect(whole).toHaveLength(12);
    expect(new Set(whole).size).toBe(12);
    expect(await draws(5)).toEqual(whole);
  });

  test('is checked at the call', async () => {
    const data = await someGlyphs();
    const refused = async (on: unknown, given: unknown): Promise<string> => {
      const options = { epochs: 1, sampler: given } as FitOptions;
      const trainer = smallTrainer(smallNet(), { augment: [] });
      return (await failure(async () => trainer.fit(on as Dataset, options))).message;
    };
    expect(await refused(data, weightedRandomSampler({ weights: [1, 2] }))).toContain(
      'the sampler has 2 weights, but the set has 203 samples',
    );
    expect(await refused(data, weightedRandomSampler)).toContain('got a function that was not called');
    expect(await refused([], sampler)).toContain('sampler is for a Dataset');
  });
});

describe('weights of samples', () => {
  test('of 0 and 1 have the loss of the samples of weight 1 alone, in batches of any size', async () => {
    const data = (await someGlyphs()).take(40);
    const net = smallNet().initialize({ seed: 1 });
    net.preprocessing = { mean: [0.2], std: [0.3], channels: 1, height: 28, width: 28 };
    const weights = Array.from({ length: 40 }, (_, i) => Number(i % 4 > 0));
    const weighted = data.withWeights(weights);
    const alone = data.filter(({ index }) => index % 4 > 0);
    const loss = crossEntropy({ labelSmoothing: 0.1 });
    const [a, b] = [await evaluate(net, weighted, { loss }), await evaluate(net, alone, { loss })];
    expect(a.loss).toBeCloseTo(b.loss, 5);
    for (const batchSize of [1, 7])
      expect((await evaluate(net, weighted, { loss, batchSize })).loss).toBeCloseTo(a.loss, 5);
  });

  test('reach the step of fit, and are resumed', async () => {
    const data = await someGlyphs();
    const plain = await trained(data, {});
    const weighted = data.withWeights(Array.from({ length: data.length }, (_, i) => (i % 5) / 2));
    const whole = await trained(weighted, {});
    expect(whole.digest).not.toBe(plain.digest);
    const dir = directory();
    const callbacks = [checkpoint(dir, { everySteps: 1 })];
    await trained(weighted, { maxSteps: 3, callbacks });
    expect((await trained(weighted, { resume: dir })).digest).toBe(whole.digest);
    const error = await failure(() => trained(data, { resume: dir }));
    expect(error.message).toContain('over other samples than this run');
  });

  test('a batch of weight 0 changes nothing but the counters', async () => {
    const data = (await someGlyphs()).take(8).withWeights([0, 0, 0, 0, 0, 0, 0, 1]);
    const trainer = smallTrainer(smallNet(), { optimizer: optim.sgd({ lr: 0.1 }) });
    const { epochs } = await trainer.fit(data, { epochs: 2, batchSize: 2 });
    expect(epochs.every(({ trainLoss }) => Number.isFinite(trainLoss))).toBe(true);
  });

  test('come with the batches of a stream', async () => {
    const data = (await someGlyphs()).take(12);
    const weights = Float32Array.from({ length: 12 }, (_, i) => i / 4);
    const { inputs, targets } = await data.rows();
    const pixels = Float32Array.from(inputs, (v) => v / 255);
    const batch = {
      inputs: { data: pixels, shape: [12, 1, 28, 28] },
      targets: { data: targets as Int32Array, shape: [12] },
      weights: { data: weights, shape: [12] },
    };
    const model = smallNet().initialize({ seed: 2 });
    const loss = crossEntropy();
    const streamed = await evaluate(model, [batch], { loss });
    const each = crossEntropy({ reduction: 'none' });
    const outputs = await model.predict(pixels, { shape: [1, 28, 28] });
    const logs = tensor(Float32Array.from(outputs, Math.log), [12, 10]);
    const losses = [...each(logs, tensor(targets)).dataSync()];
    const total = weights.reduce((a, b) => a + b);
    const expected = losses.reduce((sum, value, i) => sum + (value * weights[i]!) / total, 0);
    expect(streamed.loss).toBeCloseTo(expected, 4);
    const wrong = { ...batch, weights: { data: weights, shape: [3, 4] } };
    await expect(evaluate(model, [wrong], { loss })).rejects.toThrow(
      'weights of a batch of 12 must be f32 [12]',
    );
  });

  test('are refused by a loss that would ignore them', async () => {
    const data = (await someGlyphs()).take(8).withWeights([1, 2, 3, 4, 5, 6, 7, 8]);
    const loss = crossEntropy();
    const trainer = new Trainer(smallNet(), {
      loss: (outputs, targets) => loss(outputs, targets),
      optimizer: optim.adam(),
    });
    expect((await failure(() => trainer.fit(data, { epochs: 1 }))).message).toContain(
      'the samples have weights, but the loss takes none: it needs a third parameter',
    );
    expect(mse()).toHaveLength(3);
  });
});
