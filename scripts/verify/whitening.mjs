/**
 * CIFAR-10 whitened in all its 3072 dimensions: how long, and whether the covariance is the identity; and
 * the image means.
 */
import { compile, data, ops, persistent, preprocess, tensor, zeros, assign } from 'tenon';
import { requireData } from './process.mjs';
import { check } from './report.mjs';

const [CHANNELS, PIXELS] = [3, 32 * 32];
const FEATURES = CHANNELS * PIXELS;
const DIRECTIONS = 16;
/** A share of the largest eigenvalue: directions below it are mostly rounding of pixels. */
const SMALLEST = 1e-6;

const seconds = async (work) => {
  const begun = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - begun) / 1000 };
};

/** Every sample decoded, so that the timings below are of arithmetic. */
async function readAll(dir, samples) {
  const { train, test } = await data.cifar10({ dir });
  test.dispose();
  const set = train.take(samples);
  for (let begin = 0; begin < set.length; begin += 512)
    await set.ensure(Int32Array.from({ length: Math.min(512, set.length - begin) }, (_, i) => begin + i));
  return set;
}

/** The pixels as bytes, in order C, H, W, by way of a transform that subtracts zeros. */
async function pixelsOf(set) {
  const nothing = await preprocess.center().fit(tensor(new Float32Array(FEATURES), [1, CHANNELS, 32, 32]));
  const values = await nothing.applyAll(set);
  // Not Uint8Array.from: it makes a list of all numbers first.
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = Math.round(255 * values[i]);
  return bytes;
}

/**
 * Means per feature and per channel, deviations per channel: from whole numbers, whose sums are
 * exact in float64.
 */
function exactStatistics(pixels, count) {
  const sums = new Float64Array(FEATURES);
  const squares = new Float64Array(CHANNELS);
  for (let i = 0; i < pixels.length; i++) {
    const feature = i % FEATURES;
    sums[feature] += pixels[i];
    squares[Math.floor(feature / PIXELS)] += pixels[i] ** 2;
  }
  const image = sums.map((sum) => sum / count / 255);
  const channel = [0, 1, 2].map((c) => {
    const mean = sums.subarray(c * PIXELS, (c + 1) * PIXELS).reduce((a, b) => a + b, 0) / count / PIXELS;
    return { mean: mean / 255, std: Math.sqrt(squares[c] / count / PIXELS - mean ** 2) / 255 };
  });
  return { image, channelMean: channel.map((c) => c.mean), channelStd: channel.map((c) => c.std) };
}

const furthest = (a, b) => b.reduce((most, value, i) => Math.max(most, Math.abs(a[i] - value)), 0);

async function meanErrors(set) {
  const exact = exactStatistics(await pixelsOf(set), set.length);
  const fitted = async (transform) => (await transform.fit(set)).state();
  const values = async (state, name) => state.get(`0.${name}`).tensor.data();
  const image = await fitted(preprocess.meanImage());
  const vgg = await fitted(preprocess.channelMean());
  const resnet = await fitted(preprocess.channelStandardize());
  return {
    image: furthest(await values(image, 'mean'), exact.image),
    channelMean: furthest(await values(vgg, 'mean'), exact.channelMean),
    channelStd: furthest(await values(resnet, 'std'), exact.channelStd),
  };
}

/**
 * Largest |covariance - identity| over the first `kept` coordinates, summed by the kernel that has tests
 * of its own.
 */
async function covarianceError(rows, count, kept) {
  const total = zeros([FEATURES, FEATURES], 'f64');
  const shift = persistent(new Float64Array(FEATURES), [FEATURES], 'f64');
  const add = compile((x) => {
    assign(total, ops.covariance(total, x, shift));
    return {};
  });
  for (let begin = 0; begin < count; begin += 512) {
    const end = Math.min(count, begin + 512);
    await add(tensor(rows.subarray(begin * FEATURES, end * FEATURES), [end - begin, FEATURES]));
  }
  const sums = await total.data();
  let worst = 0;
  for (let i = 0; i < kept; i++) {
    for (let j = 0; j <= i; j++)
      worst = Math.max(worst, Math.abs(sums[i * FEATURES + j] / count - Number(i === j)));
  }
  return worst;
}

/** Largest |variance - 1| along directions drawn at random, by loops of this file alone. */
function directionError(rows, count, kept) {
  let worst = 0;
  for (let d = 0; d < DIRECTIONS; d++) {
    const u = Float64Array.from({ length: kept }, (_, i) => Math.sin((i + 1) * (d + 1) * 12.9898));
    const norm = Math.hypot(...u);
    let variance = 0;
    for (let r = 0; r < count; r++) {
      let along = 0;
      for (let i = 0; i < kept; i++) along += u[i] * rows[r * FEATURES + i];
      variance += (along / norm) ** 2 / count;
    }
    worst = Math.max(worst, Math.abs(variance - 1));
  }
  return worst;
}

const goal = `50,000 images whitened in under a minute; covariance the identity to 1e-4 over eigenvalues above ${SMALLEST} of the largest; image means exact to 1e-7`;

await check('whitening', goal, { samples: 50_000 }, async ({ samples }) => {
  const reading = await seconds(() => readAll(requireData('cifar10'), samples));
  const set = reading.value;
  const fit = await seconds(() => preprocess.whiten({ eps: 0 }).fit(set));
  const apply = await seconds(() => fit.value.applyAll(set));
  const eigenvalues = await fit.value.state().get('0.eigenvalues').tensor.data();
  const kept = eigenvalues.filter((value) => value > SMALLEST * eigenvalues[0]).length;
  const finite = apply.value.every(Number.isFinite);
  const worst = await covarianceError(apply.value, set.length, kept);
  const along = directionError(apply.value, set.length, kept);
  const means = await meanErrors(set);
  const total = fit.seconds + apply.seconds;
  const exact = Object.values(means).every((error) => error <= 1e-7);
  return {
    pass: total < 60 && finite && worst <= 1e-4 && along <= 1e-4 && exact,
    figure:
      `fitted in ${fit.seconds.toFixed(1)} s, applied in ${apply.seconds.toFixed(1)} s; covariance off by ${worst.toExponential(1)} ` +
      `over ${kept} of ${FEATURES} directions, ${along.toExponential(1)} along random ones; means off by ${Math.max(...Object.values(means)).toExponential(1)}`,
    details: {
      readSeconds: reading.seconds,
      fitSeconds: fit.seconds,
      applySeconds: apply.seconds,
      kept,
      spectrum: [0, 9, 99, 999, FEATURES - 1].map((i) => eigenvalues[i]),
      covarianceError: worst,
      directionError: along,
      meanErrors: means,
    },
  };
});
