import { fromFeatures } from '../../lib/data';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { crossEntropy } from '../../lib/losses';
import { Trainer, type FitEvent } from '../../lib/train';
import { failure, smallNet, smallTrainer, someGlyphs, weightsDigest } from './helpers';

describe('an abort', () => {
  test('ends between two steps, with the reason as cause', async () => {
    const glyphs = await someGlyphs();
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopAt = { everySteps: 9, onSteps: () => controller.abort(reason) };
    const trainer = smallTrainer();
    const error = await failure(() =>
      trainer.fit(glyphs, { epochs: 5, signal: controller.signal, callbacks: [stopAt] }),
    );
    expect(error).toMatchObject({ code: 'ERR_TENON_ABORTED', cause: reason });
    const other = smallTrainer();
    await other.fit(glyphs, { epochs: 5, maxSteps: 9 });
    expect(await weightsDigest(trainer.model)).toBe(await weightsDigest(other.model));
  });

  test('before the start, and while a stream keeps it waiting', async () => {
    const glyphs = await someGlyphs();
    const early = await failure(() => smallTrainer().fit(glyphs, { epochs: 1, signal: AbortSignal.abort() }));
    expect(early.code).toBe('ERR_TENON_ABORTED');
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) };
    const signal = AbortSignal.timeout(20);
    const trainer = smallTrainer(smallNet(), { augment: [] });
    expect((await failure(() => trainer.fit(never as never, { epochs: 1, signal }))).code).toBe(
      'ERR_TENON_ABORTED',
    );
  });

  test('reaches a loop over the events', async () => {
    const controller = new AbortController();
    const fit = smallTrainer().fit(await someGlyphs(), { epochs: 1e6, signal: controller.signal });
    const loop = async (): Promise<void> => {
      for await (const event of fit) if (event.type === 'epoch') controller.abort();
    };
    expect((await failure(loop)).code).toBe('ERR_TENON_ABORTED');
  });
});

describe('numbers that are not finite', () => {
  test('name the layer, and leave the last good weights', async () => {
    const inputs = Float32Array.from({ length: 40 * 4 }, (_, i) => Math.sin(i));
    const targets = Int32Array.from({ length: 40 }, (_, i) => i % 3);
    const set = await fromFeatures({ inputs, shape: [4], targets });
    const model = nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 3));
    const trainer = new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 1e30 }) });
    const events: FitEvent[] = [];
    const fit = trainer.fit(set, {
      epochs: 20,
      batchSize: 8,
      callbacks: [{ onEvent: (e) => void events.push(e) }],
    });
    const error = await failure(() => fit);
    expect(error.code).toBe('ERR_TENON_NONFINITE');
    expect(error.message).toMatch(
      /not finite at step \d+ \(epoch 1, learning rate 1e\+30\): the first such number came from \w+ '[02]' in the forward pass/,
    );
    for (const parameter of model.parameters()) {
      for (const value of await parameter.data()) expect(Number.isFinite(value)).toBe(true);
    }
    const step = Number(/at step (\d+)/.exec(error.message)![1]);
    expect(trainer.optimizer.step).toBe(step - 1);
  });

  test('in the data are found there', async () => {
    const inputs = Float32Array.from({ length: 40 * 4 }, (_, i) => (i === 77 ? NaN : 1));
    const set = await fromFeatures({ inputs, shape: [4], targets: new Int32Array(40) });
    const trainer = new Trainer(nn.linear(4, 3), { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
    const error = await failure(() => trainer.fit(set, { epochs: 1, batchSize: 8 }));
    expect(error.message).toContain('the first such number came from gather_rows');
    // The trainer can be used again.
    const good = await fromFeatures({ inputs: inputs.fill(1), shape: [4], targets: new Int32Array(40) });
    expect((await trainer.fit(good, { epochs: 1 })).steps).toBe(2);
  });
});

test('what a callback throws ends the run', async () => {
  const reason = new Error('no');
  const callbacks = [
    {
      onEvent: () => {
        throw reason;
      },
    },
  ];
  expect(await failure(async () => smallTrainer().fit(await someGlyphs(), { epochs: 1, callbacks }))).toBe(
    reason,
  );
});
