/**
 * Images for the figures: real ones from the folder that TENON_DATA names, else the embedded glyphs.
 * It prints which.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { data, preprocess, tensor } from 'tenon';

function folderOf(name) {
  const root = process.env.TENON_DATA ?? join('..', 'shared', 'data');
  const dir = join(root, name);
  if (existsSync(dir)) return dir;
  console.log(`TENON_DATA names no folder with ${name}: this runs on the embedded glyphs instead`);
  return undefined;
}

/** `count` training images of CIFAR-10, or of the glyphs, drawn at random and decoded: { name, set }. */
export async function colourImages(count) {
  const dir = folderOf('cifar10');
  const { train, test } = dir ? await data.cifar10({ dir }) : await data.glyphs({ trainCount: count });
  test.dispose();
  const [set] = train.split([count], { seed: 1 });
  for (let begin = 0; begin < set.length; begin += 500)
    await set.ensure(Int32Array.from({ length: Math.min(500, set.length - begin) }, (_, i) => begin + i));
  return { name: dir ? 'CIFAR-10' : 'glyphs', set };
}

/** Handwritten digits, MNIST or the glyphs: { name, train, test }. */
export async function digits(trainCount, testCount) {
  const dir = folderOf('mnist');
  const { train, test } = dir ? await data.mnist({ dir }) : await data.glyphs({ trainCount, testCount });
  return { name: dir ? 'MNIST' : 'glyphs', train: train.take(trainCount), test: test.take(testCount) };
}

/**
 * Pixels of a data set as f32 from 0 to 1, in order N, C, H, W: by way of a transform that subtracts zeros.
 */
export async function pixelsOf(set) {
  const shape = [1, ...set.inputShape];
  const size = shape.reduce((a, b) => a * b);
  const nothing = await preprocess.center().fit(tensor(new Float32Array(size), shape));
  return nothing.applyAll(set);
}
