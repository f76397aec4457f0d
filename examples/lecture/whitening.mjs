/**
 * PCA, whitening and ZCA of images (slides "PCA and whitening of the data"): CIFAR-10 is whitened in all its
 * 3072 dimensions and rotated back, so that images stay images. Also shows how many directions hold how much
 * of the variance, and images rebuilt from a few of them.
 */
import { data, preprocess, tensor } from 'tenon';
import { draw, table } from './lib/chart.mjs';
import { covariance, fromIdentity, largestOffDiagonal } from './lib/covariance.mjs';
import { colourImages, pixelsOf } from './lib/images.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const COUNT = 10_000;
const SHOWN = 8;
const EPS = 1e-2;
/** Directions whose variance is below this share of the first one's come from the rounding of pixels. */
const TOLERANCE = 1e-6;

const { name, set } = await colourImages(COUNT);
const shape = set.inputShape;
const size = shape.reduce((a, b) => a * b);
const pixels = await pixelsOf(set);

/** ZCA in all dimensions, with its time. */
const begun = performance.now();
const zca = await preprocess.zca({ eps: EPS }).fit(set);
const white = await zca.applyAll(set);
const seconds = (performance.now() - begun) / 1000;
const eigenvalues = await zca.state().get('0.eigenvalues').tensor.data();
const total = eigenvalues.reduce((a, b) => a + b);
console.log(`ZCA of ${set.length} images of ${name} in ${size} dimensions: ${seconds.toFixed(0)} s`);

/** The variance of all pixels together, which is that of all directions together. */
function totalVariance(values) {
  const mean = new Float64Array(size);
  for (let i = 0; i < values.length; i++) mean[i % size] += values[i] / set.length;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] - mean[i % size]) ** 2;
  return sum / set.length;
}
const expected = eigenvalues.reduce((sum, value) => sum + value / (value + EPS), 0);
const variances = [totalVariance(pixels), total, totalVariance(white), expected];
console.log(
  `variance of all pixels: ${variances[0].toFixed(3)}, sum of the eigenvalues ${variances[1].toFixed(3)}`,
);
console.log(`after ZCA: ${variances[2].toFixed(2)}, sum of value / (value + eps) ${variances[3].toFixed(2)}`);
if (!(Math.abs(variances[0] / total - 1) < 1e-4) || !(Math.abs(variances[2] / expected - 1) < 1e-3))
  throw new Error('the variances are not what the eigenvalues say');

/** The smallest number of directions that hold a share of the variance. */
function directionsFor(share) {
  let held = 0;
  return eigenvalues.findIndex((value) => (held += value) >= share * total) + 1;
}
const shares = [0.5, 0.9, 0.95, 0.99];
table(
  ['share of the variance', 'directions'],
  shares.map((share) => [`${100 * share}%`, directionsFor(share)]),
);

/** Half the height and width, by means of 2 x 2 pixels: bytes in order N, H, W, C. */
function halved() {
  const [channels, height, width] = shape;
  const [h, w] = [height / 2, width / 2];
  const out = new Uint8Array(set.length * h * w * channels);
  for (let i = 0; i < out.length; i++) {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % w, Math.floor(i / channels / w) % h];
    const at = (Math.floor(i / (channels * w * h)) * channels + c) * height * width + 2 * y * width + 2 * x;
    out[i] = Math.round(
      (255 * (pixels[at] + pixels[at + 1] + pixels[at + width] + pixels[at + width + 1])) / 4,
    );
  }
  return data.fromArrays({ images: out, labels: new Int32Array(set.length), shape: [h, w, channels] });
}

/** Reduced dimensions: PCA keeps 95 % of the variance of small images, whitening their first directions. */
const small = await halved();
const dimensions = small.inputShape.reduce((a, b) => a * b);
const pca = await preprocess.pca({ components: 0.95 }).fit(small);
const [kept] = pca.outputShape;
const whiten = await preprocess.whiten({ components: kept, eps: 0, tolerance: TOLERANCE }).fit(small);
const rotated = covariance(await pca.applyAll(small), kept);
const relative = largestOffDiagonal(rotated) / rotated[0][0];
const error = fromIdentity(covariance(await whiten.applyAll(small), kept));
console.log(`${dimensions} dimensions (half size): 95% of the variance is in ${kept}`);
console.log(`PCA: covariance off the diagonal at most ${relative.toExponential(1)} of the largest variance`);
console.log(`whitened: covariance ${error.toExponential(1)} from the identity`);
if (!(relative < 1e-4) || !(error < 1e-3)) throw new Error('the covariance is not what it should be');

draw('pca-spectrum', `Eigenvalues of the covariance of ${name}`, [
  [
    {
      title: `variance along each of ${size} directions`,
      x: { label: 'direction', log: true },
      y: { label: 'variance', log: true },
      series: [
        { name: 'original', points: curve((k) => eigenvalues[k - 1]) },
        { name: 'after ZCA', points: curve((k) => eigenvalues[k - 1] / (eigenvalues[k - 1] + EPS)) },
      ],
    },
    {
      title: 'share of the variance in the first directions',
      x: { label: 'directions', log: true },
      y: { label: 'share', min: 0, max: 1 },
      series: [{ name: 'original', points: curve((k) => held(k) / total) }],
    },
  ],
]);

function held(k) {
  return eigenvalues.subarray(0, k).reduce((a, b) => a + b);
}
/** Values at about 80 places, evenly spaced on a logarithmic axis. */
function curve(of) {
  const places = new Set(Array.from({ length: 80 }, (_, i) => Math.round(size ** (i / 79))));
  return [...places].map((k) => [k, of(k)]).filter(([, value]) => value > 1e-12);
}

const first = set.split([SHOWN])[0];
const back = await pca.inverse(pca.apply(await batchOf(small.split([SHOWN])[0]))).data();
const pictures = (values, of, low, high) => {
  const n = of.reduce((a, b) => a * b);
  return Promise.all(
    Array.from({ length: SHOWN }, (_, i) => png(values.subarray(i * n, (i + 1) * n), of, low, high)),
  );
};
async function batchOf(some) {
  return tensor(await pixelsOf(some), [some.length, ...some.inputShape]);
}
drawPictures('zca', `ZCA and PCA of ${name}`, [
  { label: 'original', pictures: await pictures(pixels, shape, 0, 1) },
  { label: `ZCA, eps ${EPS}`, pictures: await pictures(await zca.applyAll(first), shape, -2, 2) },
  {
    label: 'half size',
    pictures: await pictures(await pixelsOf(small.split([SHOWN])[0]), small.inputShape, 0, 1),
  },
  {
    label: `from ${kept} of ${dimensions} directions`,
    pictures: await pictures(back, small.inputShape, 0, 1),
  },
]);
