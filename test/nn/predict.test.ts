import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import { compile } from '../../lib/compile/compile';
import { Program } from '../../lib/compile/program';
import * as data from '../../lib/data';
import * as losses from '../../lib/losses';
import { info } from '../../lib/native';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import * as preprocess from '../../lib/preprocess';
import { numel } from '../../lib/tensor/shape';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { Trainer } from '../../lib/train';

function model(): nn.Sequential {
  return nn
    .sequential(
      nn.conv2d(3, 4, { kernel: 3 }),
      nn.batchNorm2d(4),
      nn.relu(),
      nn.dropout(0.5),
      nn.flatten(),
      nn.linear(4 * 9, 5),
    )
    .initialize({ seed: 7 });
}

const preprocessing = { height: 5, width: 5, channels: 3, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2] };
const bytes = Uint8Array.from({ length: 7 * 75 }, (_, i) => (i * 37) % 256);

/** The same images as N, C, H, W floats, normalized by hand. */
function floats(): Float32Array {
  const out = new Float32Array(bytes.length);
  bytes.forEach((v, i) => {
    const [n, p, c] = [Math.floor(i / 75), Math.floor((i % 75) / 3), i % 3];
    out[n * 75 + c * 25 + p] = (v / 255 - preprocessing.mean[c]!) / preprocessing.std[c]!;
  });
  return out;
}

test('raw images and normalized floats give the same probabilities, in evaluation mode', async () => {
  const net = model();
  net.preprocessing = preprocessing;
  const fromFloats = await net.predict(floats());
  const fromBytes = await net.predict(bytes);
  expect(fromBytes).toHaveLength(35);
  fromBytes.forEach((p, i) => expect(p).toBeCloseTo(fromFloats[i]!, 5));
  expect(fromBytes.subarray(0, 5).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  expect(net.training).toBe(true);
  expect(net.layers.every((layer) => layer.training)).toBe(true);
  expect(await net.predict(bytes)).toEqual(fromBytes);
  expect(net.predictSync(bytes)).toEqual(fromBytes);
});

test('batches do not show', async () => {
  const net = model().eval();
  const whole = await net.predict(floats(), { shape: [3, 5, 5] });
  expect([...(await net.predict(floats(), { shape: [3, 5, 5], batchSize: 2 }))]).toEqual([...whole]);
  expect([...net.predictSync(floats(), { shape: [3, 5, 5], batchSize: 3 })]).toEqual([...whole]);
  expect(net.training).toBe(false);
});

test('an array may change as soon as the call has returned', async () => {
  const net = model();
  net.preprocessing = preprocessing;
  const noisy = { samples: 4, seed: 3 }; // two are queued at once
  const crops = { crops: 5 } as const;
  for (const options of [{}, { precision: 'bf16' }, noisy] as const) {
    const given = floats();
    const expected = await net.predict(floats(), options);
    const pending = net.predict(given, options);
    given.fill(NaN);
    expect(await pending).toEqual(expected);
  }
  for (const options of [{}, crops]) {
    const given = bytes.slice();
    const expected = await net.predict(bytes, options);
    const pending = net.predict(given, options);
    given.fill(0);
    expect(await pending).toEqual(expected);
  }
});

test('arrays of any realm, clamped, shared, and parts of a buffer', async () => {
  const net = model();
  net.preprocessing = preprocessing;
  const expected = await net.predict(bytes);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const part = new Uint8Array(bytes.length + 9).subarray(5, -4);
  part.set(bytes);
  const foreign = runInNewContext(`new Uint8Array([${bytes.join()}])`) as Uint8Array;
  for (const given of [Uint8ClampedArray.from(bytes), shared, part, foreign]) {
    expect(await net.predict(given as Uint8Array)).toEqual(expected);
    expect(net.predictSync(given as Uint8Array)).toEqual(expected);
  }
});

test('logits, and models that are not classifiers', async () => {
  const net = model();
  const options = { shape: [3, 5, 5] };
  const logits = await net.predict(floats(), { ...options, output: 'logits' });
  const probabilities = await net.predict(floats(), options);
  const total = logits.subarray(0, 5).reduce((a, b) => a + Math.exp(b), 0);
  expect(Math.exp(logits[1]!) / total).toBeCloseTo(probabilities[1]!, 5);
  const one = nn.linear(2, 1).initialize();
  expect(await one.predict(Float32Array.of(1, 2), { shape: [2] })).toHaveLength(1);
  await expect(one.predict(Float32Array.of(1, 2), { shape: [2], output: 'probabilities' })).rejects.toThrow(
    'probabilities need outputs [N, K]',
  );
});

test('new weights and new modes are seen', async () => {
  const net = model().eval();
  const options = { shape: [3, 5, 5] };
  const before = await net.predict(floats(), options);
  net.initialize({ seed: 8 });
  expect(await net.predict(floats(), options)).not.toEqual(before);
  net.train();
  net.initialize({ seed: 7 });
  expect(await net.predict(floats(), options)).toEqual(before);
});

test('bad input', async () => {
  const net = model();
  await expect(net.predict(bytes)).rejects.toThrow('model.preprocessing');
  await expect(net.predict(floats())).rejects.toThrow('shape');
  await expect(net.predict(floats().subarray(1), { shape: [3, 5, 5] })).rejects.toThrow(
    'expected a multiple of 75 values',
  );
  await expect(net.predict(new Float32Array(0), { shape: [3, 5, 5] })).rejects.toThrow('got 0');
  await expect(net.predict([1, 2] as never, { shape: [2] })).rejects.toThrow('got [1, 2]');
  await expect(net.predict(new Float64Array(75) as never, { shape: [3, 5, 5] })).rejects.toThrow(
    'got an object (Float64Array)',
  );
  await expect(net.predict(floats(), { shape: [3, 5, 5], output: 'class' as never })).rejects.toThrow(
    'output',
  );
  await expect(net.predict(floats(), { shape: [5, 3, 5] })).rejects.toThrow("conv2d '0'");
  const detached = floats();
  structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] });
  await expect(net.predict(detached, { shape: [3, 5, 5] })).rejects.toThrow('the array is detached');
});

describe('preprocessing is checked when it is set', () => {
  test.each<[object, string]>([
    [{ height: 0 }, 'preprocessing: height must be a whole number from 1 to 65535, got 0'],
    [{ width: 2.5 }, 'width must be a whole number'],
    [{ channels: '3' }, 'channels must be a whole number from 1 to 65535, got "3"'],
    [{ channels: undefined }, 'channels must be'],
    [
      { mean: [0] },
      'mean must be an array of as many numbers that are finite as there are channels, 3, got [0]',
    ],
    [{ mean: 0.5 }, 'mean must be'],
    [{ mean: [0, NaN, 0] }, 'mean must be'],
    [{ std: [1, 0, 1] }, 'std must be an array of as many numbers above 0'],
    [{ resize: 'squeeze' }, 'resize must be one of "cover", "contain", "stretch", got "squeeze"'],
    [{ heigth: 5 }, 'unknown option "heigth" (did you mean "height"?)'],
  ])('%p', (change, message) => {
    const net = model();
    const set = (): void => void (net.preprocessing = { ...preprocessing, ...change });
    expect(set).toThrow(
      expect.objectContaining({ code: 'ERR_TENON_OPTION', message: expect.stringContaining(message) }),
    );
    expect(net.preprocessing).toBeUndefined();
  });

  test('a copy is kept, which nobody changes; undefined takes it away', () => {
    const net = model();
    const own = { ...preprocessing, mean: [0, 0, 0], resize: 'contain' as const };
    net.preprocessing = own;
    own.mean[0] = NaN;
    own.height = -1;
    expect(net.preprocessing).toEqual({ ...preprocessing, mean: [0, 0, 0], resize: 'contain' });
    expect(Object.isFrozen(net.preprocessing) && Object.isFrozen(net.preprocessing?.mean)).toBe(true);
    expect(() => (net.preprocessing = null as never)).toThrow('got null');
    net.preprocessing = undefined;
    expect(net.preprocessing).toBeUndefined();
  });
});

test('an abort signal ends it between two batches, with its reason', async () => {
  const net = model();
  const options = { shape: [3, 5, 5], batchSize: 1 };
  const gone = AbortSignal.abort('gone');
  await expect(net.predict(floats(), { ...options, signal: gone })).rejects.toMatchObject({
    code: 'ERR_TENON_ABORTED',
    cause: 'gone',
  });
  const control = new AbortController();
  const pending = net.predict(floats(), { ...options, signal: control.signal });
  control.abort();
  await expect(pending).rejects.toMatchObject({ code: 'ERR_TENON_ABORTED' });
  expect(await net.predict(floats(), options)).toHaveLength(35);
});

test.each([
  ['linear', [3], () => [nn.linear(3, 4), nn.batchNorm1d(4)]],
  ['conv2d', [3, 5, 5], () => [nn.conv2d(3, 4, { kernel: 3 }), nn.batchNorm2d(4)]],
] as const)('an activation behind a folded %s, batch norm and relu is not lost', async (_, shape, layers) => {
  const images = Float32Array.from({ length: 150 }, (_, i) => Math.sin(i));
  for (const last of [nn.tanh(), nn.sigmoid(), nn.relu6()]) {
    const net = nn
      .sequential(...layers(), nn.relu(), last, nn.flatten())
      .initialize({ seed: 3 })
      .eval();
    const expected = compile((x: Tensor) => net.forward(x), { fuse: false });
    const wanted = await (await expected(tensor(images, [150 / numel(shape), ...shape]))).data();
    const found = await net.predict(images, { shape, output: 'logits' });
    wanted.forEach((v, i) => expect(found[i]).toBeCloseTo(v, 5));
  }
});

test('fields of a module count, also those that are tensors or plain objects', async () => {
  class Scaled extends nn.Module {
    gain = tensor([2]);
    options = { shift: 1, at: [0] };
    forward(x: Tensor): Tensor {
      return ops.add(ops.mul(x, this.gain), this.options.shift + this.options.at[0]!);
    }
  }
  const net = new Scaled();
  const run = async (): Promise<number> =>
    (await net.predict(Float32Array.of(1), { shape: [1], output: 'logits' }))[0]!;
  expect(await run()).toBe(3);
  net.gain = tensor([10]);
  expect(await run()).toBe(11);
  net.options = { shift: 5, at: [0] };
  expect(await run()).toBe(15);
  net.options.at[0] = 7;
  expect(await run()).toBe(22);
});

test('a signal that has fired', async () => {
  const net = nn.linear(2, 1).initialize();
  const options = { shape: [2], signal: AbortSignal.abort() };
  await expect(net.predict(Float32Array.of(1, 2), options)).rejects.toThrow('predict: aborted');
  expect(() => net.predictSync(Float32Array.of(1, 2), options)).toThrow('predict: aborted');
});

test('a batch that fails while the one before it runs is the error of the call, and of nothing else', async () => {
  class Fixed extends nn.Module {
    forward(x: Tensor): Tensor {
      return ops.reshape(x, [128, 4]);
    }
  }
  const unhandled = jest.fn();
  process.on('unhandledRejection', unhandled);
  const wrong = new Fixed().predict(new Float32Array(4 * 200), { shape: [4] });
  await expect(wrong).rejects.toThrow('reshape');
  await new Promise(setImmediate);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

/** Twice its inputs; `records` counts programs. */
class Twice extends nn.Module {
  static records = 0;
  forward(x: Tensor): Tensor {
    Twice.records++;
    return ops.mul(ops.reshape(x, [x.shape[0]!, 3]), 2);
  }
}

test('a transform set while a call is under way is for the next one, and no program is left over', async () => {
  const centredAt = (mean: number): Promise<preprocess.FittedTransform> =>
    preprocess.center().fit(tensor([mean, mean, mean], [1, 3]));
  const [first, second] = [await centredAt(1), await centredAt(5)];
  const net = new Twice();
  const dispose = jest.spyOn(Program.prototype, 'dispose');
  net.inputTransform = first;
  Twice.records = 0;
  // The last batch is smaller than the others and has a program of its own.
  const options = { output: 'logits', batchSize: 2 } as const;
  const pending = net.predict(new Float32Array(15), options);
  net.inputTransform = second;
  expect([...net.predictSync(new Float32Array(6), options)]).toEqual(Array(6).fill(-10));
  expect([...(await pending)]).toEqual(Array(15).fill(-2));
  expect(Twice.records).toBe(3);
  expect(dispose).toHaveBeenCalledTimes(2);
  dispose.mockRestore();
});

test('images have programs for each precision', async () => {
  const net = new Twice();
  net.preprocessing = { height: 1, width: 1, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] };
  Twice.records = 0;
  for (const precision of ['fp32', 'bf16', 'fp32', 'bf16'] as const)
    await net.predict(Uint8Array.of(0, 51, 255), { precision });
  expect(Twice.records).toBe(2);
  net.preprocessing = { ...net.preprocessing, std: [2, 2, 2] };
  const halved = await net.predict(Uint8Array.of(0, 51, 255), { output: 'logits' });
  halved.forEach((v, i) => expect(v).toBeCloseTo([0, 0.2, 1][i]!, 6));
});

describe('a prediction that needs more memory than there is', () => {
  // 2 TB of activations from 4 MB of image.
  const large = nn.sequential(nn.conv2d(1, 1 << 19, { kernel: 1 }), nn.globalAvgPool2d()).initialize();
  const image = new Float32Array(1 << 20);
  const refusal = {
    name: 'OutOfMemoryError',
    code: 'ERR_TENON_MEMORY',
    message: expect.stringMatching(
      /^out of memory: 2\d{12} bytes were asked for; this process may have \d+/,
    ) as string,
  };

  test('fails by itself: other models predict and train as before, in flat memory', async () => {
    const net = model();
    net.preprocessing = preprocessing;
    const expected = await net.predict(bytes);
    const trained = nn.sequential(nn.flatten(), nn.linear(75, 5)).initialize({ seed: 3 });
    const trainer = new Trainer(trained, { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.01 }) });
    const targets = Int32Array.from({ length: 7 }, (_, i) => i % 5);
    const features = await data.fromFeatures({ inputs: floats(), shape: [3, 5, 5], targets });
    const round = async (): Promise<object> => {
      const options = { shape: [1, 1024, 1024], output: 'logits' } as const;
      await expect(large.predict(image, options)).rejects.toMatchObject(refusal);
      expect(() => large.predictSync(image, options)).toThrow(expect.objectContaining(refusal) as Error);
      expect(await net.predict(bytes)).toEqual(expected);
      expect(net.predictSync(bytes)).toEqual(expected);
      await trainer.fit(features, { epochs: 1, batchSize: 7 });
      await delay(20);
      return info().memory;
    };
    await round();
    let memory = await round();
    // What is kept for good grows in each round. The executor lets go of a job, and of what it holds, soon
    // after the job has ended: on a busy machine, some rounds may see that of the last one.
    let equal = 0;
    for (let rounds = 0; rounds < 30 && equal < 3; rounds++) {
      const now = await round();
      equal = isDeepStrictEqual(now, memory) ? equal + 1 : 0;
      memory = now;
    }
    expect(equal).toBe(3);
  });
});
