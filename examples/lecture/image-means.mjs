/**
 * What is subtracted from images in practice (slides "For visual recognition tasks"): the mean image
 * (AlexNet), the mean of each channel (VGG), or that and a division by each channel's deviation (ResNet). The
 * results are compared with plain float64 sums over all pixels.
 */
import { preprocess } from 'tenon';
import { table } from './lib/chart.mjs';
import { colourImages, pixelsOf } from './lib/images.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const COUNT = 5000;
const SHOWN = 8;
const { name, set } = await colourImages(COUNT);
const shape = set.inputShape;
const [channels, height, width] = shape;
const [area, size] = [height * width, channels * height * width];
const pixels = await pixelsOf(set);

/** Sums in float64 over pixels in order N, C, H, W. */
function reference() {
  const image = new Float64Array(size);
  for (let i = 0; i < pixels.length; i++) image[i % size] += pixels[i] / set.length;
  const ofChannel = (values, c) => values.subarray(c * area, (c + 1) * area);
  const mean = Array.from({ length: channels }, (_, c) => ofChannel(image, c).reduce((a, b) => a + b) / area);
  const squares = new Float64Array(channels);
  for (let i = 0; i < pixels.length; i++) {
    const c = Math.floor(i / area) % channels;
    squares[c] += (pixels[i] - mean[c]) ** 2 / (set.length * area);
  }
  return { image, mean, std: Array.from(squares, Math.sqrt) };
}

const expected = reference();
const fitted = {
  image: await preprocess.meanImage().fit(set),
  mean: await preprocess.channelMean().fit(set),
  both: await preprocess.channelStandardize().fit(set),
};
const learnt = async (transform, what) => transform.state().get(`0.${what}`).tensor.data();
const furthest = (a, b) => b.reduce((most, value, i) => Math.max(most, Math.abs(a[i] - value)), 0);
const numbers = (values) => Array.from(values, (v) => v.toFixed(4)).join(' ');
const compared = [
  ['mean image (AlexNet)', `[${shape.join(', ')}]`, await learnt(fitted.image, 'mean'), expected.image],
  ['channel means (VGG)', numbers(expected.mean), await learnt(fitted.mean, 'mean'), expected.mean],
  ['channel means (ResNet)', numbers(expected.mean), await learnt(fitted.both, 'mean'), expected.mean],
  ['channel deviations (ResNet)', numbers(expected.std), await learnt(fitted.both, 'std'), expected.std],
];
console.log(`${set.length} images of ${name}`);
table(
  ['what', 'values', 'furthest from float64'],
  compared.map(([what, values, found, exact]) => [what, values, furthest(found, exact).toExponential(1)]),
);
if (compared.some(([, , found, exact]) => !(furthest(found, exact) < 1e-6)))
  throw new Error('a mean differs from its float64 reference');

const first = set.split([SHOWN])[0];
const shown = async (values, low, high) =>
  Promise.all(
    Array.from({ length: SHOWN }, (_, i) => png(values.subarray(i * size, (i + 1) * size), shape, low, high)),
  );
drawPictures('image-means', `Image means of ${name}`, [
  { label: 'original', pictures: await shown(await pixelsOf(first), 0, 1) },
  { label: 'mean image', pictures: [await png(expected.image, shape)] },
  { label: 'minus the mean image', pictures: await shown(await fitted.image.applyAll(first), -0.6, 0.6) },
  { label: 'minus the channel means', pictures: await shown(await fitted.mean.applyAll(first), -0.6, 0.6) },
  { label: '... by their deviations', pictures: await shown(await fitted.both.applyAll(first), -2.4, 2.4) },
]);
