/**
 * evaluate(model, data, options): against the formulas over what predict returns, and as the
 * Trainer calls it.
 */
import { evaluate, Trainer } from '../../lib';
import { fromFeatures } from '../../lib/data';
import type { Dataset } from '../../lib/data';
import { BusyError, DataError, OptionError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { RandomState } from '../../lib/random';
import { failure, smallNet, smallTrainer, someGlyphs, weightsDigest } from './helpers';

const loss = losses.crossEntropy();

/** Mean of -log p(label), and share of samples whose largest score is the label's. */
async function byHand(model: nn.Module, set: Dataset): Promise<{ loss: number; accuracy: number }> {
  const scores = await model.predict(set, { output: 'logits' });
  const labels = set.labels!;
  const classes = scores.length / labels.length;
  let [sum, correct] = [0, 0];
  for (const [i, label] of labels.entries()) {
    const row = Array.from(scores.subarray(i * classes, (i + 1) * classes));
    sum += Math.log(row.reduce((total, s) => total + Math.exp(s), 0)) - row[label]!;
    if (row.indexOf(Math.max(...row)) === label) correct++;
  }
  return { loss: sum / labels.length, accuracy: correct / labels.length };
}

describe('evaluate', () => {
  test('mean loss and accuracy of a trained model, in batches of any size', async () => {
    const set = await someGlyphs();
    const trainer = smallTrainer();
    await trainer.fit(set, { epochs: 1 });
    const { model } = trainer;
    const [expected, before] = [await byHand(model, set), await weightsDigest(model)];
    for (const batchSize of [128, 50, 7]) {
      const found = await evaluate(model, set, { loss, batchSize });
      expect(found.loss).toBeCloseTo(expected.loss, 5);
      expect(found.accuracy).toBe(expected.accuracy);
    }
    expect(await weightsDigest(model)).toBe(before);
    expect(model.training).toBe(true);
  });

  test('is what Trainer.evaluate calls: the same bits', async () => {
    const set = await someGlyphs();
    const average = optim.ema({ decay: 0.5 });
    const trainer = smallTrainer(smallNet(), { average, loss });
    await trainer.fit(set, { epochs: 1 });
    const { model } = trainer;
    expect(await evaluate(model, set, { loss })).toEqual(await trainer.evaluate(set, { weights: 'trained' }));
    expect(await evaluate(model, set, { loss, average })).toEqual(await trainer.evaluate(set));
    expect(await evaluate(model, set, { loss, average })).not.toEqual(await evaluate(model, set, { loss }));
  });

  test('with samples: the loss of the mean that predict returns, in batches of any size', async () => {
    const set = await someGlyphs();
    const model = nn.sequential(smallNet(), nn.dropout(0.5)).initialize({ seed: 3 });
    const trainer = new Trainer(model, { loss, optimizer: optim.sgd({ lr: 0.05 }) });
    await trainer.fit(set, { epochs: 1 });
    const sampling = { samples: 4, seed: 6 };
    const mean = await model.predict(set, sampling);
    const labels = set.labels!;
    const classes = mean.length / labels.length;
    const expected = labels.reduce((sum, y, i) => sum - Math.log(mean[i * classes + y]!), 0) / labels.length;
    const top = metrics.running(metrics.accuracy());
    for (const batchSize of [128, 50, 7]) {
      const found = await evaluate(model, set, { loss, batchSize, metrics: [top], ...sampling });
      expect(found.loss).toBeCloseTo(expected, 5);
      expect(await top.value()).toBe(found.accuracy);
      expect(await trainer.evaluate(set, { batchSize, ...sampling })).toEqual(found);
    }
    const other = await evaluate(model, set, { loss, ...sampling, seed: 7 });
    expect(other.loss).not.toBeCloseTo(expected, 5);
    await expect(evaluate(model, set, { loss, seed: 7 })).rejects.toThrow(/evaluate: seed is for samples/);
    await expect(trainer.evaluate(set, { samples: 1.5 })).rejects.toThrow(/evaluate: samples must be/);
  });

  test('a model without weights, and one that nothing was trained on', async () => {
    const [a, b] = [smallNet(), smallNet()];
    const set = await someGlyphs();
    const found = await evaluate(a, set, { loss });
    expect(found).toEqual(await smallTrainer(b, { seed: 0, loss }).evaluate(set));
    expect(a.preprocessing).toBeUndefined();
  });

  test('numbers as targets, a stream, metrics', async () => {
    const model = nn.linear(2, 1, { weightInit: nn.init.constant(1), biasInit: nn.init.zeros() });
    const inputs = Float32Array.of(1, 2, 3, 4);
    const targets = Float32Array.of(2, 9);
    const set = await fromFeatures({ inputs, shape: [2], targets, targetShape: [1] });
    // Errors of 1 and -2.
    const expected = { loss: 2.5 };
    expect(await evaluate(model, set, { loss: losses.mse() })).toEqual(expected);
    const batch = { inputs: { data: inputs, shape: [2, 2] }, targets: { data: targets, shape: [2, 1] } };
    expect(await evaluate(model, [batch], { loss: losses.mse(), batchSize: 1 })).toEqual(expected);
    const top1 = metrics.running(metrics.topK(1));
    const glyphs = await someGlyphs();
    const { accuracy } = await evaluate(smallNet(), glyphs, { loss, metrics: [top1] });
    expect(await top1.value()).toBe(accuracy);
  });

  test('what cannot be evaluated', async () => {
    const set = await someGlyphs();
    const model = smallNet();
    const wrong = async (options: object, message: string): Promise<void> => {
      const error = await failure(() => evaluate(model, set, { loss, ...options }));
      expect(error).toBeInstanceOf(OptionError);
      expect(error.message).toContain(message);
    };
    const none = undefined as never;
    expect((await failure(() => evaluate(model, set, none))).message).toContain('at least { loss }');
    await wrong({ loss: undefined }, 'evaluate: loss must be a loss such as losses.crossEntropy()');
    await wrong({ loss: losses.crossEntropy }, 'call it: losses.crossEntropy()');
    await wrong({ batchsize: 3 }, 'batchSize');
    await wrong({ batchSize: 0 }, 'evaluate: batchSize');
    await wrong({ precision: 'fp16' }, 'evaluate: precision');
    await wrong({ average: {} }, 'evaluate: average must be one such as optim.ema()');
    await wrong({ average: optim.ema() }, 'no weights have been averaged yet');
    await wrong({ random: 3 }, 'evaluate: random must be a RandomState');
    await wrong({ metrics: [metrics.topK(1)] }, 'evaluate: metrics must be a list');
    await wrong({ signal: 3 }, 'signal');
    expect((await failure(() => evaluate({} as nn.Module, set, { loss }))).message).toContain('a Module');
    expect(await failure(() => evaluate(model, [], { loss }))).toBeInstanceOf(DataError);
    const few = nn.sequential(nn.flatten(), nn.linear(28 * 28, 3));
    expect(await failure(() => evaluate(few, set, { loss }))).toBeInstanceOf(DataError);
    const shared = metrics.running(metrics.topK(1));
    const first = evaluate(model, set, { loss, metrics: [shared], random: new RandomState(1) });
    expect(await failure(() => evaluate(model, set, { loss, metrics: [shared] }))).toBeInstanceOf(BusyError);
    await first;
    const signal = AbortSignal.abort(new Error('enough'));
    expect((await failure(() => evaluate(model, set, { loss, signal }))).code).toBe('ERR_TENON_ABORTED');
  });
});
