import { rmSync } from 'node:fs';
import * as augment from '../../lib/augment';
import { fromFeatures } from '../../lib/data';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import { crossEntropy } from '../../lib/losses';
import { checkpoint, Trainer, type StreamBatch } from '../../lib/train';
import { tensor } from '../../lib/tensor/tensor';
import { failure, temporaryDirectory } from './helpers';

function batch(size: number, offset: number): StreamBatch {
  const data = Float32Array.from({ length: size * 4 }, (_, i) => Math.sin(i * 3 + offset));
  const targets = Int32Array.from({ length: size }, (_, i) => (data[4 * i]! > 0 ? 1 : 0));
  return { inputs: { data, shape: [size, 4] }, targets: { data: targets, shape: [size] } };
}

function trainer(): Trainer {
  return new Trainer(nn.linear(4, 2), { loss: crossEntropy(), optimizer: optim.sgd({ lr: 0.5 }) });
}

describe('a stream of batches', () => {
  test('an array, and a function that makes a generator for each epoch', async () => {
    const batches = Array.from({ length: 5 }, (_, i) => batch(i === 4 ? 3 : 8, i));
    const one = await trainer().fit(batches, { epochs: 20 });
    expect(one.steps).toBe(100);
    expect(one.epochs[19]!.trainAccuracy).toBeGreaterThan(0.9);
    const epochs: number[] = [];
    const two = await trainer().fit(
      async function* (epoch) {
        epochs.push(epoch);
        for (const each of batches) yield each;
      },
      { epochs: 20 },
    );
    expect(epochs).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(two.epochs.map((e) => e.trainLoss)).toEqual(one.epochs.map((e) => e.trainLoss));
  });

  test('tensors are batches too', async () => {
    const inputs = tensor(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 4]);
    const targets = tensor(Int32Array.of(0, 1));
    expect((await trainer().fit([{ inputs, targets }], { epochs: 2 })).steps).toBe(2);
    expect(await trainer().evaluate([{ inputs, targets }])).toEqual({
      loss: expect.any(Number),
      accuracy: expect.any(Number),
    });
  });

  test('a generator serves one epoch only', async () => {
    const once = (function* () {
      yield batch(8, 0);
    })();
    const error = await failure(() => trainer().fit(once, { epochs: 2 }));
    expect(error).toMatchObject({ code: 'ERR_TENON_DATA' });
    expect(error.message).toContain('pass a function');
  });

  test('is not augmented, and says so', async () => {
    const augmented = (): Trainer =>
      new Trainer(nn.linear(4, 2), {
        loss: crossEntropy(),
        optimizer: optim.sgd({ lr: 0.5 }),
        augment: [augment.flip()],
      });
    expect(() => augmented().fit([batch(8, 0)], { epochs: 1 })).toThrow('augment is for a Dataset of images');
    const features = await fromFeatures({ inputs: new Float32Array(8), shape: [4], targets: [0, 1] });
    expect(() => augmented().fit(features, { epochs: 1 })).toThrow('augment is for a Dataset of images');
  });

  test('what it yields is checked', async () => {
    const fails = (stream: unknown): Promise<Error & { code?: string }> =>
      failure(async () => trainer().fit(stream as never, { epochs: 1 }));
    expect((await fails([])).message).toBe('fit: the data set has no batches');
    expect((await fails([3])).message).toBe('fit: a stream must yield { inputs, targets }, got 3');
    expect((await fails([{ inputs: 3, targets: 4 }])).message).toContain(
      'inputs of a batch must be a tensor',
    );
    expect((await fails(7)).message).toContain('expected a Dataset or an iterable');
    const uneven = { ...batch(8, 0), targets: { data: new Int32Array(3), shape: [3] } };
    expect((await fails([uneven])).code).toBe('ERR_TENON_SHAPE');
    const wrongLabel = { ...batch(8, 0), targets: { data: new Int32Array(8).fill(5), shape: [8] } };
    expect((await fails([wrongLabel])).code).toBe('ERR_TENON_DATA');
    const broken = (function* () {
      yield batch(8, 0);
      throw new Error('cursor closed');
    })();
    expect((await fails(broken)).message).toBe('cursor closed');
  });
});

describe('a stream that is left early', () => {
  /** Endless; notes that it was closed. */
  function watched(bad = Infinity): { stream: AsyncGenerator<StreamBatch>; closed: () => boolean } {
    let closed = false;
    const stream = (async function* () {
      try {
        for (let i = 0; ; i++) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          yield i === bad ? (3 as never) : batch(8, i);
        }
      } finally {
        closed = true;
      }
    })();
    return { stream, closed: () => closed };
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

  test('by an evaluation that is aborted, or fails', async () => {
    const aborted = watched();
    const signal = AbortSignal.timeout(30);
    expect((await failure(() => trainer().evaluate(aborted.stream, { signal }))).code).toBe(
      'ERR_TENON_ABORTED',
    );
    const failed = watched(2);
    expect((await failure(() => trainer().evaluate(failed.stream))).code).toBe('ERR_TENON_DATA');
    await settle();
    expect([aborted.closed(), failed.closed()]).toEqual([true, true]);
  });

  test('while a resumed run skips what was trained before', async () => {
    const directory = temporaryDirectory();
    const callbacks = [checkpoint(directory, { everySteps: 1 })];
    await trainer().fit([batch(8, 0), batch(8, 1)], { epochs: 1, maxSteps: 1, callbacks });
    const never = (async function* () {
      await new Promise(() => undefined);
      yield batch(8, 0);
    })();
    const signal = AbortSignal.timeout(30);
    const error = await failure(() => trainer().fit(never, { epochs: 1, resume: directory, signal }));
    expect(error.code).toBe('ERR_TENON_ABORTED');
    rmSync(directory, { recursive: true });
  });
});

test('gradients of a step that failed do not go into the next run', async () => {
  const wide = { ...batch(8, 0), inputs: { data: new Float32Array(40), shape: [8, 5] } };
  const run = async (t: Trainer): Promise<number[]> => {
    await t.fit([batch(8, 1), batch(8, 2)], { epochs: 1, accumulate: 2 });
    return [...t.model.parameters()[0]!.dataSync()];
  };
  const used = trainer();
  await failure(() => used.fit([batch(8, 0), wide], { epochs: 1, accumulate: 2 }));
  expect(await run(used)).toEqual(await run(trainer()));
});
