import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { fromFeatures } from '../../lib/data';
import { mse } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { progress, Trainer, type Callback, type FitEvent } from '../../lib/train';
import { failure, smallNet, smallTrainer, someGlyphs, weightsDigest } from './helpers';

describe('fit', () => {
  test('learns, and evaluate agrees with its validation', async () => {
    const glyphs = await someGlyphs();
    const trainer = smallTrainer(smallNet(), { optimizer: optim.adam({ lr: 0.02 }), augment: [] });
    const { epochs, steps, stopped } = await trainer.fit(glyphs, { epochs: 15, validation: glyphs });
    expect({ count: epochs.length, steps, stopped }).toEqual({ count: 15, steps: 105, stopped: 'finished' });
    const [first, last] = [epochs[0]!, epochs[14]!];
    expect(last.trainLoss).toBeLessThan(0.6 * first.trainLoss);
    expect(last.trainAccuracy).toBeGreaterThan(first.trainAccuracy!);
    const { loss, accuracy } = await trainer.evaluate(glyphs);
    expect(loss).toBeCloseTo(last.validationLoss!, 6);
    expect(accuracy).toBe(last.validationAccuracy);
    const other = await trainer.evaluate(glyphs, { batchSize: 7 });
    expect(other.loss).toBeCloseTo(loss, 6);
    expect(other.accuracy).toBe(accuracy);
  });

  test('gives the model its preprocessing and class names', async () => {
    const glyphs = await someGlyphs();
    const trainer = smallTrainer();
    await trainer.fit(glyphs, { epochs: 1 });
    const { preprocessing, classNames } = trainer.model;
    expect(preprocessing).toMatchObject({ height: 28, width: 28, channels: 1 });
    expect(preprocessing).toMatchObject((await glyphs.statistics())!);
    expect(classNames).toEqual(glyphs.classNames);
  });

  test('is the same bits again, and others with another seed', async () => {
    const digests: string[] = [];
    for (const seed of [3, 3, 4]) {
      const trainer = smallTrainer(smallNet(), { seed });
      await trainer.fit(await someGlyphs(), { epochs: 2 });
      digests.push(await weightsDigest(trainer.model));
    }
    expect(digests[0]).toBe(digests[1]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  test('reports typed events, one start, one an epoch, one done', async () => {
    const events: FitEvent[] = [];
    const seen: string[] = [];
    const fit = smallTrainer().fit(await someGlyphs(), {
      epochs: 2,
      callbacks: [{ onEvent: (event) => void seen.push(event.type) }],
    });
    for await (const event of fit) events.push(event);
    const types = events.map(({ type }) => type).filter((type) => type !== 'step');
    expect(types).toEqual(['start', 'epoch', 'epoch', 'done']);
    expect(seen.filter((type) => type !== 'step')).toEqual(types);
    expect(events[0]).toMatchObject({ epochs: 2, stepsPerEpoch: 7, step: 0, parameters: 4 * 9 + 8 + 1970 });
    const epoch = events.find((event) => event.type === 'epoch');
    expect(epoch).toMatchObject({ epoch: 1, step: 7 });
    expect(epoch!.type === 'epoch' && epoch!.imagesPerSecond).toBeGreaterThan(0);
    expect(await fit).toMatchObject({ steps: 14 });
  });

  test('ends at maxSteps, timeLimitMs and stop()', async () => {
    const glyphs = await someGlyphs();
    expect(await smallTrainer().fit(glyphs, { epochs: 9, maxSteps: 10 })).toMatchObject({
      steps: 10,
      stopped: 'maxSteps',
    });
    const whole = await smallTrainer().fit(glyphs, { epochs: 9, maxSteps: 14 });
    expect(whole.epochs).toHaveLength(2);
    expect(await smallTrainer().fit(glyphs, { epochs: 1e6, timeLimitMs: 50 })).toMatchObject({
      stopped: 'timeLimit',
    });
    const stop = {
      onEvent: (event: FitEvent, control: { stop(): void }) =>
        void (event.type === 'epoch' && control.stop()),
    };
    expect(await smallTrainer().fit(glyphs, { epochs: 9, callbacks: [stop] })).toMatchObject({
      steps: 7,
      stopped: 'callback',
    });
  });

  test('a loop over the events of a run that has ended comes to an end', async () => {
    const done = smallTrainer().fit(await someGlyphs(), { epochs: 1 });
    await done;
    const types: string[] = [];
    for await (const event of done) types.push(event.type);
    expect(types).toEqual([]);
    const failed = smallTrainer().fit(await someGlyphs(), { epochs: 1, resume: '/nowhere' });
    await failure(() => failed);
    await expect(failed[Symbol.asyncIterator]().next()).rejects.toThrow('/nowhere');
  });

  test('onEnd is called once and last, however the run ends', async () => {
    const calls: string[] = [];
    const callback = (fails = false): Callback => ({
      onEvent(event) {
        if (event.type !== 'step') calls.push(event.type);
        if (fails && event.type === 'epoch') throw new Error('mine');
      },
      onEnd: () => void calls.push('end'),
    });
    await smallTrainer().fit(await someGlyphs(), { epochs: 1, callbacks: [callback()] });
    expect(calls).toEqual(['start', 'epoch', 'done', 'end']);
    calls.length = 0;
    const glyphs = await someGlyphs();
    await failure(() => smallTrainer().fit(glyphs, { epochs: 2, callbacks: [callback(true)] }));
    expect(calls).toEqual(['start', 'epoch', 'end']);
    calls.length = 0;
    await failure(() =>
      smallTrainer().fit(glyphs, { epochs: 1, resume: '/nowhere', callbacks: [callback()] }),
    );
    expect(calls).toEqual(['end']);
    calls.length = 0;
    const thrower: Callback = {
      onEnd() {
        throw new Error('at the end');
      },
    };
    const both = smallTrainer().fit(glyphs, { epochs: 1, callbacks: [thrower, callback()] });
    expect((await failure(() => both)).message).toBe('at the end');
    expect(calls).toEqual(['start', 'epoch', 'done', 'end']);
  });

  test('a bar of progress is taken down when the run fails', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const stream = { isTTY: true, columns: 80, write: () => true, on: () => undefined };
    let during = 0;
    const thrower: Callback = {
      everySteps: 3,
      onSteps() {
        during = timers();
        throw new Error('mine');
      },
    };
    const glyphs = await someGlyphs();
    const callbacks = [progress({ stream }), thrower];
    expect((await failure(() => smallTrainer().fit(glyphs, { epochs: 1, callbacks }))).message).toBe('mine');
    expect(during).toBeGreaterThan(before);
    expect(timers()).toBe(before);
  });

  test('regression: loss without accuracy', async () => {
    const inputs = Float32Array.from({ length: 64 * 3 }, (_, i) => Math.sin(i * 7));
    const targets = Float32Array.from(
      { length: 64 },
      (_, i) => 2 * inputs[3 * i]! - inputs[3 * i + 2]! + 0.5,
    );
    const set = await fromFeatures({ inputs, shape: [3], targets, targetShape: [1] });
    const trainer = new Trainer(nn.linear(3, 1), { loss: mse(), optimizer: optim.adam({ lr: 0.05 }) });
    const { epochs } = await trainer.fit(set, { epochs: 60, batchSize: 16, validation: set });
    expect(epochs[59]!.trainLoss).toBeLessThan(1e-3);
    expect(epochs[59]).not.toHaveProperty('trainAccuracy');
    expect(await trainer.evaluate(set)).toEqual({ loss: expect.any(Number) });
    expect(trainer.model.preprocessing).toBeUndefined();
  });

  test('progress prints a line an epoch where nobody watches', async () => {
    let text = '';
    const stream = { write: (part: string) => void (text += part) };
    await smallTrainer().fit(await someGlyphs(), { epochs: 2, callbacks: [progress({ stream })] });
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(
      /^epoch 2\/2 {2}loss \d\.\d{4} {2}accuracy \d+\.\d\d% {2}\d+ images\/s {2}\d+\.\d s/,
    );
  });

  test('leaves the event loop free', async () => {
    const convolution = (channels: number) => nn.conv2d(channels, 64, { kernel: 3, padding: 1 });
    const model = nn.sequential(
      ...[convolution(1), nn.relu(), convolution(64), nn.relu()],
      ...[nn.globalAvgPool2d(), nn.flatten(), nn.linear(64, 10)],
    );
    // From the end of the first epoch on: it begins with compiling. A loop that waits for steps
    // is never idle.
    let before: EventLoopUtilization | undefined;
    const onEvent = (): void => void (before ??= performance.eventLoopUtilization());
    await smallTrainer(model).fit(await someGlyphs(), { epochs: 4, callbacks: [{ onEvent }] });
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });
});

describe('bad calls', () => {
  test('are refused at once, by name', async () => {
    const glyphs = await someGlyphs();
    const trainer = smallTrainer();
    const bad =
      (options: object): (() => unknown) =>
      () =>
        trainer.fit(glyphs, options as never);
    expect(bad({})).toThrow('fit: epochs must be a positive integer, got undefined');
    expect(bad({ epochs: 1, batchsize: 3 })).toThrow('did you mean "batchSize"?');
    expect(bad({ epochs: NaN })).toThrow('got NaN');
    expect(bad({ epochs: 1, validation: 3 })).toThrow(
      'fit: validation must be a Dataset, or { data: a Dataset, ... }, got 3',
    );
    expect(bad({ epochs: 1, callbacks: [3] })).toThrow('callback 0 must have onEvent');
    expect(bad({ epochs: 1, callbacks: [{ everySteps: 0, onSteps: () => undefined }] })).toThrow(
      'everySteps',
    );
    expect(bad({ epochs: 1, signal: 'x' })).toThrow('fit: signal must be an AbortSignal');
    expect(bad(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_TENON_OPTION' }));
    expect(() => new Trainer(smallNet(), { loss: 3 } as never)).toThrow('Trainer: loss must be a loss');
    expect(() => smallTrainer(smallNet(), { precision: 'fp16' as never })).toThrow(
      'precision must be one of "fp32", "bf16"',
    );
    expect(() => smallTrainer(smallNet(), { seed: -1 })).toThrow('seed');
  });

  test('labels that the model has no output for', async () => {
    const model = nn.sequential(nn.flatten(), nn.linear(784, 9));
    const error = await failure(() => smallTrainer(model).fit(someGlyphs9, { epochs: 1 }));
    expect(error).toMatchObject({ code: 'ERR_TENON_DATA' });
    expect(error.message).toContain('label 9, but the model has 9 outputs');
  });

  let someGlyphs9: Awaited<ReturnType<typeof someGlyphs>>;
  beforeAll(async () => {
    someGlyphs9 = await someGlyphs();
  });
});
