/** What a run of training works on is its own until it ends, however it ends. */
import { metrics } from '../../lib';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { rateRange, Trainer, type Fit, type TrainerOptions } from '../../lib/train';
import type { Dataset } from '../../lib/data';
import { failure, smallNet, smallTrainer, someGlyphs, weightsDigest } from './helpers';

function busy(message: string): Error {
  const expected = { code: 'ERR_TENON_BUSY', message: expect.stringContaining(message) as string };
  return expect.objectContaining(expected) as Error;
}

function body(): nn.NamedSequential {
  return nn.namedSequential({
    conv: nn.conv2d(1, 4, { kernel: 3, stride: 4 }),
    norm: nn.batchNorm2d(4),
    flatten: nn.flatten(),
  });
}

function headed(base: nn.NamedSequential): nn.NamedSequential {
  return nn.namedSequential({ ...base.stages, fc: nn.linear(4 * 7 * 7, 10) });
}

function trainerOf(model: nn.Module, options: Partial<TrainerOptions> = {}): Trainer {
  return new Trainer(model, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }), ...options });
}

let glyphs: Dataset;
beforeAll(async () => (glyphs = await someGlyphs()));

/** What another call is refused with while the first run goes on, and that it is not afterwards. */
async function expectHeld(first: Trainer, second: Trainer, message: string): Promise<void> {
  const running = first.fit(glyphs, { epochs: 2 });
  expect(() => second.fit(glyphs, { epochs: 1 })).toThrow(busy(message));
  await running;
  await second.fit(glyphs, { epochs: 1 });
}

test('a model', async () => {
  const model = smallNet();
  await expectHeld(smallTrainer(model), smallTrainer(model), 'fit: this model is in use by another run');
});

test('an optimizer, in whose memory two models would mix', async () => {
  const optimizer = optim.adam({ lr: 0.01 });
  const [a, b] = [trainerOf(smallNet(), { optimizer }), trainerOf(smallNet(), { optimizer })];
  const running = a.fit(glyphs, { epochs: 2 });
  expect(() => b.fit(glyphs, { epochs: 1 })).toThrow(busy("fit: the trainer's optimizer is in use"));
  await running;
  const alone = trainerOf(smallNet(), { optimizer: optim.adam({ lr: 0.01 }) });
  await alone.fit(glyphs, { epochs: 2 });
  expect(await weightsDigest(a.model)).toBe(await weightsDigest(alone.model));
});

test('an optimizer, but not against what needs none', async () => {
  const optimizer = optim.sgd({ lr: 0.01 });
  const other = trainerOf(smallNet(), { optimizer });
  const running = trainerOf(smallNet(), { optimizer }).fit(glyphs, { epochs: 2 });
  await other.updateBatchNorm(glyphs);
  await running;
});

test('an average of weights', async () => {
  const average = optim.ema({ decay: 0.9 });
  await expectHeld(
    trainerOf(smallNet(), { average }),
    trainerOf(smallNet(), { average }),
    "the trainer's average of weights",
  );
});

test('a layer', async () => {
  const base = body();
  await expectHeld(trainerOf(headed(base)), trainerOf(headed(base)), "the model's layer 'conv' (Conv2d)");
});

test('a part of the model, and the model that a part belongs to', async () => {
  const whole = headed(body());
  const part = trainerOf(nn.sequential(whole.stages.conv!, nn.flatten(), nn.linear(196, 10)));
  await expectHeld(trainerOf(whole), part, "layer '0' (Conv2d)");
  await expectHeld(part, trainerOf(whole), "layer 'conv' (Conv2d)");
});

test('a parameter that is tied', async () => {
  const [one, two] = [nn.linear(784, 10), nn.linear(784, 10)];
  Reflect.set(two, 'weight', one.weight);
  const [a, b] = [one, two].map((layer) => trainerOf(nn.sequential(nn.flatten(), layer)));
  await expectHeld(a!, b!, "the model's tensor '1.weight'");
});

test('nothing is held by a call that is refused', async () => {
  const shared = body();
  const running = trainerOf(headed(shared)).fit(glyphs, { epochs: 2 });
  const [optimizer, fresh] = [optim.sgd({ lr: 0.1 }), smallNet()];
  expect(() => trainerOf(headed(shared), { optimizer }).fit(glyphs, { epochs: 1 })).toThrow(busy('conv'));
  await trainerOf(fresh, { optimizer }).fit(glyphs, { epochs: 1 });
  await running;
});

describe('is let go of', () => {
  const model = smallNet();
  const optimizer = optim.sgd({ lr: 0.1 });
  const begin = (options: object = {}): Fit =>
    trainerOf(model, { optimizer }).fit(glyphs, { epochs: 2, ...options });

  test.each([
    ['an abort before the first step', { signal: AbortSignal.abort() }, 'ERR_TENON_ABORTED'],
    ['a resume that finds nothing', { resume: '/nowhere' }, 'ERR_TENON_DATA'],
  ])('after %s', async (_, options, code) => {
    expect(await failure(() => begin(options))).toMatchObject({ code });
    await begin();
  });

  test('after an abort in the middle, and a callback that throws', async () => {
    const controller = new AbortController();
    const abort = { everySteps: 2, onSteps: () => controller.abort() };
    expect(await failure(() => begin({ signal: controller.signal, callbacks: [abort] }))).toMatchObject({
      code: 'ERR_TENON_ABORTED',
    });
    const throwing = {
      onEnd: () => {
        throw new Error('mine');
      },
    };
    expect((await failure(() => begin({ callbacks: [throwing] }))).message).toBe('mine');
    await begin();
  });

  test('where a loop over events is left early: when training ends, which goes on', async () => {
    const fit = begin();
    for await (const event of fit) if (event.type === 'start') break;
    expect(() => begin()).toThrow(busy('this model'));
    await fit;
    await begin();
  });
});

test('predict, evaluate and save go on beside a run; what writes does not', async () => {
  const base = body();
  const [trained, other] = [
    trainerOf(headed(base)),
    trainerOf(headed(base), { average: optim.swa({ start: 1 }) }),
  ];
  await other.fit(glyphs, { epochs: 1 });
  const running = trained.fit(glyphs, { epochs: 3 });
  expect(() => trained.model.replaceHead(nn.linear(196, 10))).toThrow(busy('replaceHead: this model'));
  await expect(other.updateBatchNorm(glyphs)).rejects.toThrow(busy('updateBatchNorm'));
  await expect(
    rateRange(other.model, glyphs, { loss: crossEntropy(), optimizer: optim.sgd({ lr: 1 }), steps: 3 }),
  ).rejects.toThrow(busy('fit'));
  expect((await other.evaluate(glyphs, { weights: 'trained' })).loss).toBeGreaterThan(0);
  expect((await other.model.toBuffer()).length).toBeGreaterThan(0);
  await running;
  await other.updateBatchNorm(glyphs);
  await other.useAverage();
  trained.model.replaceHead(nn.linear(196, 10));
});

test('a range test that is refused changes neither the model nor the optimizer of the run', async () => {
  const model = smallNet();
  const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9 });
  const running = trainerOf(model, { optimizer }).fit(glyphs, { epochs: 3 });
  for (const options of [{ optimizer: optim.sgd({ lr: 1 }) }, { optimizer }]) {
    const tried = rateRange(model, glyphs, { loss: crossEntropy(), steps: 3, ...options });
    await expect(tried).rejects.toThrow(busy('fit'));
  }
  await running;
  const alone = trainerOf(smallNet(), { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) });
  await alone.fit(glyphs, { epochs: 3 });
  expect(await weightsDigest(model)).toBe(await weightsDigest(alone.model));
});

test('a running metric belongs to one evaluation at a time', async () => {
  const trainer = smallTrainer();
  const accuracy = metrics.running(metrics.accuracy());
  const first = trainer.evaluate(glyphs, { metrics: [accuracy] });
  const second = trainer.evaluate(glyphs, { metrics: [accuracy] });
  await expect(second).rejects.toThrow(busy('evaluate: metric 0 is in use'));
  const { accuracy: expected } = await first;
  expect(await accuracy.value()).toBeCloseTo(expected!, 9);
  await trainer.evaluate(glyphs, { metrics: [accuracy] });
});
