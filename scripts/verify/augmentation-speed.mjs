/**
 * Images per second through augmentation and normalization, and the share of a training step that they take:
 * tenon, torchvision, and sharp for what it can do.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { augment, data, info, losses, models, nn, optim, Trainer } from 'tenon';
import { childScript, inTemporary } from './process.mjs';
import { check, percent, Skipped } from './report.mjs';

const RECIPES = [
  { side: 32, recipe: 'crop + flip' },
  { side: 32, recipe: 'randaugment' },
  { side: 224, recipe: 'crop + flip' },
  { side: 224, recipe: 'randaugment' },
  { side: 224, recipe: 'own sizes' },
];

/** Heights and widths of images that keep their own sizes, as many of ImageNet are. */
const SIZES = [
  [375, 500],
  [500, 375],
  [333, 500],
];

const sourceOf = (side) => (side === 32 ? 32 : 256);
const batchOf = (side) => (side === 32 ? 128 : 32);

function augmentations({ side, recipe }) {
  const crop = side === 32 ? augment.randomCrop(32, { padding: 4 }) : augment.randomResizedCrop(side);
  return [crop, augment.flip(), ...(recipe === 'randaugment' ? [augment.randAugment({ n: 2, m: 9 })] : [])];
}

function noise(length) {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function images(side, count) {
  const source = sourceOf(side);
  return data.fromArrays({
    images: noise(count * source * source * 3),
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    shape: [source, source, 3],
  });
}

/** Images at sizes of their own. They are decoded in the first epoch, and stay in memory. */
async function ownSizes(directory, count) {
  const dir = join(directory, 'images');
  for (let i = 0; i < count; i++) {
    const [height, width] = SIZES[i % SIZES.length];
    const label = join(dir, `${i % 10}`);
    mkdirSync(label, { recursive: true });
    const raw = { width, height, channels: 3 };
    await sharp(noise(height * width * 3), { raw })
      .jpeg()
      .toFile(join(label, `${i}.jpg`));
  }
  return data.folder({ dir, imageSize: 224, keep: 'original' });
}

/** The smallest model: it looks at one pixel of each image, so what a step takes is making the batch. */
const smallest = (side) => nn.sequential(nn.conv2d(3, 10, { kernel: 1, stride: side }), nn.flatten());

/** Images per second of training; the best of the epochs after the first. */
async function rate(model, set, list, { batchSize, epochs }) {
  const options = { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0.01 }), augment: list };
  const { epochs: records } = await new Trainer(model, options).fit(set, { epochs, batchSize });
  return Math.max(...records.slice(1).map((record) => record.imagesPerSecond));
}

async function tenonRate(job, directory) {
  const { side } = job;
  const set =
    job.recipe === 'own sizes'
      ? await ownSizes(directory, 320)
      : await images(side, side === 32 ? 12_800 : 640);
  return rate(smallest(side), set, augmentations(job), { batchSize: batchOf(side), epochs: 6 });
}

/** The share of a resnet20 step, from its time with the recipe and without. */
async function stepShare(recipe) {
  const set = await images(32, 2560);
  const settings = { batchSize: 128, epochs: 4 };
  const plain = await rate(models.resnet20(), set, [], settings);
  const augmented = await rate(models.resnet20(), set, augmentations({ side: 32, recipe }), settings);
  return 1 - augmented / plain;
}

/** @throws Skipped where there is nothing to compare with */
function pythonWithTorchvision() {
  const python = [process.env.TENON_PYTHON, 'python3'].find(
    (each) => each !== undefined && spawnSync(each, ['-c', 'import torchvision']).status === 0,
  );
  if (python === undefined) throw new Skipped('no python with torchvision; TENON_PYTHON names one');
  return python;
}

function torchvisionRate(python, { side, recipe }, seconds) {
  const args = [childScript('augmentation_speed.py'), side, recipe, info().threads, seconds].map(String);
  const child = spawnSync(python, args, { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`augmentation_speed.py: ${child.stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(child.stdout);
}

/** sharp has crops, resizing and mirroring; several images are in its threads at once. */
async function sharpRate({ side }, seconds) {
  const source = sourceOf(side);
  const raw = { width: source, height: source, channels: 3 };
  const pixels = Buffer.from(noise(source * source * 3));
  sharp.concurrency(1);
  const one = async (i) => {
    let image = sharp(pixels, { raw });
    if (side === 32) {
      image = image.extend({ top: 4, bottom: 4, left: 4, right: 4 });
      image = sharp(await image.raw().toBuffer(), { raw: { width: 40, height: 40, channels: 3 } });
      image = image.extract({ left: i % 9, top: (i * 7) % 9, width: 32, height: 32 });
    } else {
      const box = 100 + (i % 100);
      image = image.extract({ left: i % 50, top: (i * 7) % 50, width: box, height: box }).resize(side, side);
    }
    await (i % 2 === 1 ? image.flop() : image).raw().toBuffer();
  };
  const begun = performance.now();
  let count = 0;
  while (performance.now() - begun < seconds * 1000) {
    await Promise.all(Array.from({ length: 64 }, (_, i) => one(count + i)));
    count += 64;
  }
  return (1000 * count) / (performance.now() - begun);
}

async function ratesOf(python, job, seconds) {
  const tenon = await inTemporary((directory) => tenonRate(job, directory));
  const torchvision = torchvisionRate(python, job, seconds);
  const bySharp = job.recipe === 'crop + flip' ? await sharpRate(job, seconds) : undefined;
  const best = Math.max(torchvision.batched ?? 0, torchvision.perImage, bySharp ?? 0);
  return { ...job, tenon, torchvision, sharp: bySharp, ratio: tenon / best };
}

const goal = 'at least twice the better of torchvision batched and per image, and of sharp';

await check('augmentation-speed', goal, { seconds: 3 }, async ({ seconds }) => {
  const python = pythonWithTorchvision();
  const rows = [];
  for (const job of RECIPES) {
    rows.push(await ratesOf(python, job, seconds));
    console.log(JSON.stringify(rows.at(-1)));
  }
  const shares = {};
  for (const recipe of ['crop + flip', 'randaugment']) shares[recipe] = await stepShare(recipe);
  const ratios = rows.map(({ side, recipe, ratio }) => `${recipe} ${side}: ${ratio.toFixed(1)}x`);
  const parts = Object.entries(shares).map(([name, share]) => `${name} ${percent(share, 1)}`);
  return {
    pass: rows.every(({ ratio }) => ratio >= 2),
    figure: `${ratios.join(', ')}; of a resnet20 step: ${parts.join(', ')}`,
    details: { rows, shares },
  };
});
