/** Predictions that average over noise: which noise, the same bits, and what they are good for. */
import { compile, data, grad, losses, nn, ops, optim, RandomState, tensor, type Tensor } from '../../lib';
import { numbers } from '../ops/support';

/** A network with every kind of noise, one for each way in which draws belong to examples. */
function noisy(): nn.Module {
  return nn
    .sequential(
      nn.conv2d(1, 4, { kernel: 3, padding: 1 }),
      nn.batchNorm2d(4),
      nn.dropout2d(0.3),
      nn.residualBlock(4, 4, { stochasticDepth: 0.5 }),
      nn.fractionalMaxPool2d('overlapping', { outputSize: 3 }),
      nn.stochasticDepth(0.5, { mode: 'batch' }),
      nn.flatten(),
      nn.dropout(0.5),
      nn.gaussianNoise(0.1),
      nn.linear(36, 5, { dropConnect: 0.5, dropConnectPer: 'example' }),
      nn.linear(5, 3, { dropConnect: 0.1, weightNoise: 0.1 }),
    )
    .initialize({ seed: 2 });
}

const count = 13;
const images = Float32Array.from(numbers([count, 1, 6, 6]));
const options = { shape: [1, 6, 6], samples: 5, seed: 7 };

describe('predict with samples', () => {
  it('has the same bits at any batch size, and others for another seed or number', async () => {
    const model = noisy();
    const whole = await model.predict(images, options);
    for (const batchSize of [1, 3, 7, 128])
      expect(await model.predict(images, { ...options, batchSize })).toEqual(whole);
    expect(model.predictSync(images, { ...options, batchSize: 4 })).toEqual(whole);
    const others = [{ seed: 8 }, { samples: 4 }].map((other) =>
      model.predict(images, { ...options, ...other }),
    );
    for (const other of await Promise.all(others)) expect(other).not.toEqual(whole);
    expect(await model.predict(images, options)).toEqual(whole);
    expect(await model.predict(images, { shape: [1, 6, 6] })).not.toEqual(whole);
  });

  it('draws different noise for equal examples', async () => {
    const model = noisy();
    const equal = new Float32Array(4 * 36).fill(0.5);
    const rows = await model.predict(equal, { ...options, batchSize: 2 });
    expect(new Set([0, 3, 6, 9].map((at) => rows[at])).size).toBe(4);
  });

  it('averages what training would compute with that seed, one step a pass', async () => {
    const model = nn.sequential(nn.linear(4, 6), nn.tanh(), nn.dropout(0.4), nn.linear(6, 3));
    model.initialize({ seed: 3 });
    const xs = Float32Array.from(numbers([9, 4]));
    const random = new RandomState(11);
    const step = compile((x: Tensor) => model.forward(x), { random });
    const mean = new Float64Array(27);
    for (let pass = 0; pass < 3; pass++)
      (await (await step(tensor(xs, [9, 4]))).data()).forEach((v, i) => (mean[i]! += v / 3));
    const sampled = await model.predict(xs, {
      ...{ shape: [4], output: 'logits', samples: 3, seed: 11, batchSize: 2 },
    });
    sampled.forEach((v, i) => expect(Math.abs(v - mean[i]!)).toBeLessThan(1e-6));
  });

  it('leaves batch norm in evaluation mode, and modes as they were', async () => {
    const model = nn.sequential(nn.conv2d(1, 2, { kernel: 3 }), nn.batchNorm2d(2)).initialize({ seed: 1 });
    const plain = await model.predict(images, { shape: [1, 6, 6], output: 'logits' });
    model.train();
    const before = [...model.namedBuffers().values()].map((b) => [...b.dataSync()]);
    const sampled = await model.predict(images, { ...options, output: 'logits' });
    expect([...model.namedBuffers().values()].map((b) => [...b.dataSync()])).toEqual(before);
    expect(model.training).toBe(true);
    // A mean of five equal passes; folding may differ in the last bits.
    sampled.forEach((v, i) => expect(Math.abs(v - plain[i]!)).toBeLessThan(1e-5));
  });

  it('takes pixels and data sets, which have the same noise', async () => {
    const model = noisy();
    model.preprocessing = { height: 6, width: 6, channels: 1, mean: [0.5], std: [0.25] };
    const pixels = Uint8Array.from({ length: count * 36 }, (_, i) => (i * i) % 256);
    const labels = new Int32Array(count);
    const set = await data.fromArrays({
      images: pixels,
      shape: [6, 6, 1],
      labels,
      classNames: ['a', 'b', 'c'],
    });
    const sampling = { samples: 3, seed: 2 };
    const whole = await model.predict(pixels, sampling);
    expect(await model.predict(set, { ...sampling, batchSize: 5 })).toEqual(whole);
  });

  it('draws outputs of the mean and the variance that dropped connections have', async () => {
    const [inputs, outputs, copies] = [200, 3, 4000];
    const row = Float32Array.from(numbers([inputs]));
    const xs = new Float32Array(copies * inputs);
    for (let n = 0; n < copies; n++) xs.set(row, n * inputs);
    const moments = async (dropConnectSampling: 'masks' | 'gaussian'): Promise<number[][]> => {
      const layer = nn.linear(inputs, outputs, {
        ...{ dropConnect: 0.4, dropConnectPer: 'example', dropConnectSampling },
      });
      layer.initialize({ seed: 5 });
      const call = { shape: [inputs], output: 'logits', samples: 1, seed: 3 } as const;
      const y = await layer.predict(xs, call);
      expect(await layer.predict(xs, { ...call, batchSize: 333 })).toEqual(y);
      return Array.from({ length: outputs }, (_, o) => {
        const values = Array.from({ length: copies }, (_, n) => y[n * outputs + o]!);
        const mean = values.reduce((a, b) => a + b) / copies;
        return [mean, values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / copies];
      });
    };
    const [masks, gaussian] = [await moments('masks'), await moments('gaussian')];
    masks.forEach(([mean, variance], o) => {
      const [otherMean, otherVariance] = gaussian[o]!;
      // Five standard errors of the difference of two means, and of two variances.
      expect(Math.abs(mean! - otherMean!)).toBeLessThan(5 * Math.sqrt((2 * variance!) / copies));
      expect(Math.abs(variance! / otherVariance! - 1)).toBeLessThan(5 * Math.sqrt(4 / copies));
      expect(variance).toBeGreaterThan(0.01);
    });
  });

  it('reads p at each call and compiles nothing for it', async () => {
    const layer = nn.dropout(0.5);
    const model = nn.sequential(layer).initialize();
    const ones = new Float32Array(64).fill(1);
    const call = (): Promise<Float32Array> =>
      model.predict(ones, { shape: [64], output: 'logits', samples: 1, seed: 1 });
    expect(new Set(await call())).toEqual(new Set([0, 2]));
    layer.p = 0.75;
    expect(new Set(await call())).toEqual(new Set([0, 4]));
  });

  it('refuses a seed without samples, and numbers that are none', () => {
    const model = noisy();
    const call = (more: object) => () => model.predictSync(images, { shape: [1, 6, 6], ...more });
    expect(call({ seed: 1 })).toThrow(/predict: seed is for samples/);
    expect(call({ samples: 0 })).toThrow(/predict: samples must be/);
    expect(call({ samples: 2, seed: -1 })).toThrow(/predict: seed must be/);
  });

  it('refuses noise that examples share', async () => {
    class Mixed extends nn.Module {
      private readonly drop = nn.dropout(0.5);
      override forward(x: Tensor): Tensor {
        return this.drop.forward(ops.mean(x, { axes: 0 }));
      }
    }
    await expect(
      new Mixed().predict(new Float32Array(6), { shape: [1], output: 'logits', samples: 2 }),
    ).rejects.toThrow(/dropout.*cannot be shared out to the 6 examples/);
  });
});

describe('the mean over k passes', () => {
  /** Two rings with a tenth of the labels wrong. */
  function rings(n: number, salt: number): { xs: Float32Array; ys: Int32Array } {
    const [u, v, w] = [1, 2, 3].map((i) => numbers([n], salt + i));
    const ys = Int32Array.from({ length: n }, (_, i) => i % 2);
    const xs = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) {
      const radius = 1 + ys[i]! + 0.6 * u![i]!;
      xs.set([radius * Math.cos(Math.PI * v![i]!), radius * Math.sin(Math.PI * v![i]!)], 2 * i);
      if (Math.abs(w![i]!) < 0.1) ys[i] = 1 - ys[i]!;
    }
    return { xs, ys };
  }

  it('has a negative log-likelihood that falls with k', async () => {
    const model = nn.sequential(
      ...[nn.linear(2, 64), nn.relu(), nn.dropout(0.5), nn.linear(64, 64), nn.relu()],
      ...[nn.dropout(0.5), nn.linear(64, 2)],
    );
    model.initialize({ seed: 1 });
    const optimizer = optim.adam({ lr: 0.01 });
    const loss = losses.crossEntropy();
    const train = rings(256, 10);
    const step = compile(
      (x: Tensor, y: Tensor) => {
        const value = loss(model.forward(x), y);
        optimizer.update(grad(value));
        return value;
      },
      { random: new RandomState(1) },
    );
    for (let i = 0; i < 400; i++) await step(tensor(train.xs, [256, 2]), tensor(train.ys));
    const test = rings(512, 90);
    // The expected value falls with k (Jensen); a mean over seeds comes close to it.
    const nll = async (samples: number): Promise<number> => {
      let sum = 0;
      for (let seed = 0; seed < 10; seed++) {
        const p = await model.predict(test.xs, { shape: [2], samples, seed });
        test.ys.forEach((y, i) => (sum -= Math.log(p[2 * i + y]!)));
      }
      return sum / test.ys.length / 10;
    };
    const ks = [1, 2, 4, 16, 64];
    const found: number[] = [];
    for (const k of ks) found.push(await nll(k));
    for (let i = 1; i < ks.length; i++) expect(found[i]!).toBeLessThan(found[i - 1]!);
    expect(found.at(-1)!).toBeLessThan(found[0]! - 0.02);
  });
});
