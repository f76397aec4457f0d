/**
 * The lecture's augmentations (slides "Data augmentation"), one row for each: the original and what
 * training sees in the first epochs. Checks that an image by itself has the draws that it has among others.
 */
import { augment } from 'tenon';
import { table } from './lib/chart.mjs';
import { colourImages } from './lib/images.mjs';
import { drawPictures, png } from './lib/pictures.mjs';

const COUNT = 500;
const DRAWS = 5;
const { name, set } = await colourImages(COUNT);
const [channels, height, width] = set.inputShape;
const [area, size] = [height * width, [height, width]];

const rows = [
  ['horizontal flip', augment.flip()],
  ['vertical flip', augment.verticalFlip()],
  ['random crop, padding 4', augment.randomCrop(size, { padding: 4 })],
  ['random scale and crop', augment.randomResizedCrop(size, { scale: [0.3, 1] })],
  ['translation', augment.translate(0.2)],
  ['rotation', augment.rotate(20)],
  ['smooth warping', augment.elastic({ alpha: 40, sigma: 4 })],
  ['brightness', augment.brightness(0.5)],
  ['contrast', augment.contrast(0.5)],
  ...(channels === 3 ? [['colour offset by PCA (x 3)', augment.colorPca({ std: 0.3 })]] : []),
  ['pixel flips', augment.saltAndPepper()],
  ['cutout', augment.cutout(size.map((side) => side / 2))],
  ...(channels === 3 ? [['AutoAugment, CIFAR-10', augment.autoAugment('cifar10')]] : []),
];

/** Images of the set as one batch. */
async function batchOf(positions) {
  const images = [];
  for (const i of positions) images.push(await set.image(i));
  return {
    pixels: Buffer.concat(images.map(({ pixels }) => pixels)),
    shape: [images.length, height, width, channels],
  };
}

const chw = (pixels) => {
  const values = new Float32Array(channels * area);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < area; i++) values[c * area + i] = pixels[i * channels + c] / 255;
  return values;
};
const picture = (pixels) => png(chw(pixels), set.inputShape);

const all = await batchOf(Array.from({ length: COUNT }, (_, i) => i));
const bytes = area * channels;
const mean = Array(channels).fill(0.5);

/** Share of the bytes that an augmentation changes, and how much their mean moves, in grey levels. */
function change({ pixels }) {
  let [changed, sum] = [0, 0];
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i] !== all.pixels[i]) changed++;
    sum += Math.abs(pixels[i] - all.pixels[i]);
  }
  return [changed / pixels.length, sum / pixels.length];
}

const results = [];
const pictures = [];
for (const [i, [label, item]] of rows.entries()) {
  const together = await augment.apply([item], all, { seed: 1, mean });
  const image = { pixels: all.pixels.subarray(i * bytes, (i + 1) * bytes), shape: [height, width, channels] };
  const draws = [];
  for (let epoch = 0; epoch < DRAWS; epoch++)
    draws.push(await augment.apply([item], image, { seed: 1, epoch, samples: [i], mean }));
  // The first epoch of one image by itself is what it is among the others.
  const among = together.pixels.subarray(i * bytes, (i + 1) * bytes);
  if (Buffer.compare(draws[0].pixels, among) !== 0) throw new Error(`${label}: the batch changes the draws`);
  results.push([label, ...change(together)]);
  pictures.push({
    label,
    pictures: await Promise.all([image, ...draws].map((each) => picture(each.pixels))),
  });
}
console.log(`${COUNT} images of ${name}`);
table(
  ['augmentation', 'values changed', 'by (grey levels of 255)'],
  results.map(([label, share, by]) => [label, `${(100 * share).toFixed(0)}%`, by.toFixed(1)]),
);
drawPictures(
  'augmentation',
  `Augmentations of ${name}: the original, and the first ${DRAWS} epochs`,
  pictures,
);
