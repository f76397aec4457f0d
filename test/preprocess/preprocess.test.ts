import * as data from '../../lib/data';
import { DataError, DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { setThreads } from '../../lib/native';
import * as preprocess from '../../lib/preprocess';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as numpy } from '../fixtures/preprocessing.json';
import { expectClose, numbers } from '../ops/support';

const [rows, features] = numpy.shape as [number, number];
const x = tensor(numpy.x, [rows, features]);
const { eps } = numpy;

const images = Float32Array.from(numbers([6, 2, 3, 4]), (v, i) => v + (i % 5));

/** The covariance of rows of width d, in float64. */
function covarianceOf(values: ArrayLike<number>, d: number): Float64Array {
  const n = values.length / d;
  const mean = Array.from({ length: d }, (_, i) => {
    let sum = 0;
    for (let r = 0; r < n; r++) sum += values[r * d + i]!;
    return sum / n;
  });
  return Float64Array.from({ length: d * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    let sum = 0;
    for (let r = 0; r < n; r++) sum += (values[r * d + i]! - mean[i]!) * (values[r * d + j]! - mean[j]!);
    return sum / n;
  });
}

const identity = (d: number): number[] => Array.from({ length: d * d }, (_, i) => Number(i % (d + 1) === 0));

async function values(t: Tensor): Promise<ArrayLike<number>> {
  return t.data();
}

async function returns(
  transform: preprocess.FittedTransform,
  samples: Tensor,
  tolerance = 1e-5,
): Promise<void> {
  const back = await values(transform.inverse(transform.apply(samples)));
  expectClose(back, await samples.data(), tolerance, 'inverse of apply');
}

describe('against NumPy', () => {
  test('center and standardize', async () => {
    const centred = await preprocess.center().fit(x);
    expectClose(await values(centred.state().get('0.mean')!.tensor), numpy.mean, 1e-7, 'mean');
    const fitted = await preprocess.standardize().fit(x);
    expectClose(await values(fitted.state().get('0.std')!.tensor), numpy.std, 1e-7, 'std');
    expectClose(await values(fitted.apply(x)), numpy.standardized, 1e-6, 'standardized');
    await returns(centred, x);
    await returns(fitted, x);
  });

  test('pca', async () => {
    const fitted = await preprocess.pca().fit(x);
    const state = fitted.state();
    expectClose(await values(state.get('0.eigenvalues')!.tensor), numpy.eigenvalues, 1e-7, 'eigenvalues');
    expectClose(await values(state.get('0.components')!.tensor), numpy.components, 1e-6, 'components');
    expectClose(await values(fitted.apply(x)), numpy.rotated, 1e-6, 'rotated');
    await returns(fitted, x);
  });

  test('whiten and zca', async () => {
    const whiten = await preprocess.whiten({ eps }).fit(x);
    expectClose(await values(whiten.apply(x)), numpy.whitened, 1e-5, 'whitened');
    await returns(whiten, x);
    const zca = await preprocess.zca({ eps }).fit(x);
    expectClose(await values(zca.apply(x)), numpy.zca, 1e-5, 'zca');
    await returns(zca, x);
  });

  test('whitened without eps, the covariance is the identity', async () => {
    for (const make of [preprocess.whiten, preprocess.zca]) {
      const fitted = await make({ eps: 0 }).fit(x);
      expectClose(
        covarianceOf(await values(fitted.apply(x)), features),
        identity(features),
        1e-5,
        'covariance',
      );
    }
  });
});

describe('pca', () => {
  test('keeps as many directions as asked for, or as hold a share of the variance', async () => {
    const two = await preprocess.pca({ components: 2 }).fit(x);
    expect(two.outputShape).toEqual([2]);
    const rotated = Array.from({ length: 2 * rows }, (_, i) => numpy.rotated[(i >> 1) * features + (i & 1)]!);
    expectClose(await values(two.apply(x)), rotated, 1e-6, 'two directions');
    const total = numpy.eigenvalues.reduce((a, b) => a + b, 0);
    const share = (numpy.eigenvalues[0]! + numpy.eigenvalues[1]! + numpy.eigenvalues[2]! / 2) / total;
    expect((await preprocess.pca({ components: share }).fit(x)).outputShape).toEqual([3]);
    await expect(preprocess.pca({ components: features + 1 }).fit(x)).rejects.toThrow(ShapeError);
  });

  test('the covariance of what it gives is diagonal', async () => {
    const cov = covarianceOf(await (await preprocess.pca().fit(x)).applyAll(x), features);
    cov.forEach((v, i) => {
      if (i % (features + 1) !== 0) expect(Math.abs(v)).toBeLessThan(1e-6 * cov[0]!);
    });
  });
});

describe('images', () => {
  const [n, c, h, w] = [6, 2, 3, 4];
  const batch = tensor(images, [n, c, h, w]);
  const at = (i: number, feature: number): number => images[i * c * h * w + feature]!;
  const meanOf = (list: number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const everyone = Array.from({ length: n }, (_, i) => i);
  const ofChannel = (k: number): number[] =>
    Array.from(images).filter((_, i) => Math.floor(i / (h * w)) % c === k);

  test('mean image', async () => {
    const fitted = await preprocess.meanImage().fit(batch);
    const mean = Array.from({ length: c * h * w }, (_, f) => meanOf(everyone.map((i) => at(i, f))));
    const { shape, tensor: stored } = fitted.state().get('0.mean')!;
    expect(shape).toEqual([c, h, w]);
    expectClose(await values(stored), mean, 1e-7, 'mean image');
    expectClose(
      await values(fitted.apply(batch)),
      images.map((v, i) => v - mean[i % mean.length]!),
      1e-6,
      'apply',
    );
    await returns(fitted, batch);
  });

  test('per channel', async () => {
    const fitted = await preprocess.channelStandardize().fit(batch);
    const mean = [0, 1].map((k) => meanOf(ofChannel(k)));
    const std = [0, 1].map((k) => Math.sqrt(meanOf(ofChannel(k).map((v) => (v - mean[k]!) ** 2))));
    expectClose(await values(fitted.state().get('0.mean')!.tensor), mean, 1e-7, 'mean');
    expectClose(await values(fitted.state().get('0.std')!.tensor), std, 1e-7, 'std');
    const channel = (i: number): number => Math.floor(i / (h * w)) % c;
    const expected = images.map((v, i) => (v - mean[channel(i)]!) / std[channel(i)]!);
    expectClose(await values(fitted.apply(batch)), expected, 1e-6, 'apply');
    await returns(fitted, batch);
    const vgg = await preprocess.channelMean().fit(batch);
    expectClose(
      await values(vgg.apply(batch)),
      images.map((v, i) => v - mean[channel(i)]!),
      1e-6,
      'channel mean',
    );
  });

  test('zca keeps their shape, and pca takes features in order C, H, W', async () => {
    const zca = await preprocess.zca().fit(batch);
    expect(zca.apply(batch).shape).toEqual([n, c, h, w]);
    const flat = tensor(images, [n, c * h * w]);
    const same = await preprocess.zca().fit(flat);
    expect(Array.from(await values(zca.apply(batch)))).toEqual(Array.from(await values(same.apply(flat))));
  });

  test('of a data set are pixels from 0 to 1', async () => {
    const bytes = Uint8Array.from({ length: 5 * 12 }, (_, i) => (i * 37) % 256);
    const set = await data.fromArrays({ images: bytes, labels: [0, 1, 0, 1, 0], shape: [2, 2, 3] });
    const fitted = await preprocess.meanImage().fit(set.take(4));
    const mean = await values(fitted.state().get('0.mean')!.tensor);
    const logical = (f: number): number => (f % 4) * 3 + Math.floor(f / 4);
    const expected = Array.from({ length: 12 }, (_, f) =>
      meanOf([0, 1, 2, 3].map((i) => bytes[i * 12 + logical(f)]! / 255)),
    );
    expectClose(mean, expected, 1e-7, 'mean image of bytes');
    expect((await fitted.applyAll(set, { batchSize: 2 })).length).toBe(60);
  });

  test('behind a normalization, which applyAll has to be given, too', async () => {
    const bytes = Uint8Array.from({ length: 5 * 4 }, (_, i) => (i * 37) % 256);
    const set = await data.fromArrays({ images: bytes, labels: [0, 1, 0, 1, 0], shape: [2, 2, 1] });
    const normalization = { mean: [0.5], std: [0.5] };
    const fitted = await preprocess.center().fit(set, normalization);
    const y = await fitted.applyAll(set, { normalization, batchSize: 2 });
    const means = Array.from({ length: 4 }, (_, f) => meanOf([0, 1, 2, 3, 4].map((i) => y[i * 4 + f]!)));
    expectClose(means, [0, 0, 0, 0], 1e-6, 'mean');
    // @ts-expect-error: unknown key
    await expect(fitted.applyAll(set, { normalisation: normalization })).rejects.toThrow(/"normalization"/);
  });
});

describe('data of lower rank', () => {
  // Feature 1 never changes, feature 2 is twice feature 0, feature 3 is constant and large.
  const flawed = tensor(
    Float32Array.from({ length: 40 }, (_, i) => [Math.sin(i), 0.1, 2 * Math.sin(i - 2), 1e6][i % 4]!),
    [10, 4],
  );

  test('features without variance become 0', async () => {
    const y = await values((await preprocess.standardize().fit(flawed)).apply(flawed));
    for (let i = 0; i < 40; i++) {
      expect(Number.isFinite(y[i])).toBe(true);
      if (i % 2 === 1) expect(y[i]).toBe(0);
    }
  });

  test.each([0, 1e-5])('directions without variance become 0, with eps %p', async (e) => {
    const whiten = await preprocess.whiten({ eps: e }).fit(flawed);
    const y = await values(whiten.apply(flawed));
    for (let i = 0; i < 40; i++) if (i % 4 > 0) expect(Math.abs(y[i]!)).toBe(0);
    const zca = await preprocess.zca({ eps: e }).fit(flawed);
    await returns(whiten, flawed, 1e-6);
    await returns(zca, flawed, 1e-6);
    expect(Array.from(await values(zca.apply(flawed))).every(Number.isFinite)).toBe(true);
  });

  test('fewer samples than features, a single one, all the same', async () => {
    for (const [n, shape] of [
      [3, [1, 5, 5]],
      [1, [7]],
    ] as const) {
      const few = tensor(Float32Array.from(numbers([n, ...shape])), [n, ...shape]);
      const fitted = await preprocess.whiten({ eps: 0 }).fit(few);
      const y = Array.from(await values(fitted.apply(few)));
      expect(y.every(Number.isFinite)).toBe(true);
      await returns(fitted, few);
    }
    const same = tensor(new Float32Array(50).fill(0.3), [10, 5]);
    for (const make of [preprocess.standardize, preprocess.pca, preprocess.whiten, preprocess.zca])
      expect(
        Array.from(await values((await make().fit(same)).apply(same))).every((v) => Math.abs(v) < 1e-6),
      ).toBe(true);
  });
});

describe('sequences', () => {
  test('each step is fitted to what those before it give', async () => {
    const both = preprocess.sequence(preprocess.standardize(), preprocess.pca({ components: 3 }));
    const fitted = await both.fit(x);
    const first = await preprocess.standardize().fit(x);
    const between = tensor(await first.applyAll(x), [rows, features]);
    const second = await preprocess.pca({ components: 3 }).fit(between);
    const expected = Array.from(await values(second.apply(between)));
    expect(Array.from(await values(fitted.apply(x)))).toEqual(expected);
    expect(fitted.steps.map(({ kind }) => kind)).toEqual(['standardize', 'pca']);
    await returns(await preprocess.sequence(preprocess.standardize(), preprocess.whiten()).fit(x), x, 1e-4);
  });

  test('are part of a compiled step, whatever its precision', async () => {
    const fitted = await preprocess.zca({ eps }).fit(x);
    const expected = Array.from(await values(fitted.apply(x)));
    const step = compile((t: Tensor) => fitted.apply(t), { precision: 'bf16' });
    expect(Array.from(await (await step(x)).data())).toEqual(expected);
    expect(Array.from(await fitted.applyAll(x, { batchSize: 7 }))).toEqual(expected);
  });

  test('fitting gives the same bits on any number of threads', async () => {
    const wide = tensor(Float32Array.from(numbers([700, 70])), [700, 70]);
    const bits: number[][] = [];
    for (const threads of [1, 3]) {
      setThreads(threads);
      const fitted = await preprocess.zca().fit(wide);
      bits.push(Array.from(await values(fitted.state().get('0.matrix')!.tensor)));
    }
    setThreads(2);
    expect(bits[1]).toEqual(bits[0]);
  });
});

describe('errors', () => {
  test('nothing to fit to', async () => {
    await expect(preprocess.center().fit(tensor(new Float32Array(0), [0, 3]))).rejects.toThrow(DataError);
    const bad = tensor(Float32Array.of(1, NaN, 2, 3), [2, 2]);
    await expect(preprocess.whiten().fit(bad)).rejects.toThrow(DataError);
    await expect(preprocess.center().fit(tensor(Int32Array.of(1, 2)))).rejects.toThrow(DTypeError);
    await expect(preprocess.center().fit(tensor(1))).rejects.toThrow(ShapeError);
    // @ts-expect-error: not a data set
    await expect(preprocess.center().fit([1, 2])).rejects.toThrow(DTypeError);
  });

  test('other shapes', async () => {
    const fitted = await preprocess.standardize().fit(x);
    expect(() => fitted.apply(tensor([1, 2], [1, 2]))).toThrow(ShapeError);
    expect(() => fitted.inverse(tensor([1, 2], [1, 2]))).toThrow(ShapeError);
    await expect(preprocess.meanImage().fit(x)).rejects.toThrow(/meanImage: samples must be images/);
    await expect(preprocess.channelMean().fit(x)).rejects.toThrow(ShapeError);
    const huge = tensor(new Float32Array(20_000), [1, 20_000]);
    await expect(preprocess.pca().fit(huge)).rejects.toThrow(/20000 features/);
  });

  test('options', () => {
    expect(() => preprocess.pca({ components: 0 })).toThrow(OptionError);
    expect(() => preprocess.pca({ components: 1.5 })).toThrow(OptionError);
    expect(() => preprocess.zca({ eps: -1 })).toThrow(OptionError);
    // @ts-expect-error: unknown key
    expect(() => preprocess.whiten({ epss: 1 })).toThrow(/did you mean "eps"/);
    expect(() => preprocess.sequence()).toThrow(OptionError);
    // @ts-expect-error: not a transform
    expect(() => preprocess.sequence('pca')).toThrow(OptionError);
  });
});
