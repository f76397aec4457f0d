/** Augmentations outside of training: what a list does to some images. */
import { everyRow } from '../data/stored-images';
import { OptionError, ShapeError } from '../errors';
import { add, asImages, cast } from '../ops';
import { checkKeys, checkList, checkObject, clip, nonNegativeInteger, probability, show } from '../options';
import { integer } from '../settings';
import { checkAttached } from '../tensor/dtype';
import { runtimeScalar, tensor, type Tensor } from '../tensor/tensor';
import type { Augmentation, Draws, ImageBatch } from './augmentation';
import { CustomRun } from './custom-run';
import { Mixing } from './mixing';
import { checkAugmentations, none, Pipeline } from './pipeline';

/** Rows of data sets are 32-bit numbers. */
const checkSample = integer({ minimum: 0, maximum: 2 ** 31 - 1 })('').check;

/** An image, or several of one size: bytes row by row, the channels of a pixel side by side. */
export interface Pixels {
  readonly pixels: Uint8Array;
  /** [height, width, channels], or [count, height, width, channels]. */
  readonly shape: readonly number[];
}

export interface ApplyOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Counted from 0. Default 0. */
  readonly epoch?: number;
  /** Which samples they are: part of what decides the random numbers. Default 0, 1, ... */
  readonly samples?: readonly number[];
  /** The mean of each channel, from 0 to 1, that `cutout` fills with. Default: of these images. */
  readonly mean?: readonly number[];
}

/**
 * What a list of augmentations makes of images: the bytes that training would see before normalization, if
 * they were these samples of its data and it had the seed. Takes what `dataset.image(i)` returns. `mixup` and
 * `cutmix`, which work on normalized inputs, mix the bytes here, and round them.
 * @throws OptionError, ShapeError; DataError where a function of yours fails
 */
export async function apply(
  list: readonly Augmentation[],
  images: Pixels,
  options: ApplyOptions = {},
): Promise<Pixels> {
  const where = 'augment.apply';
  checkAugmentations(list);
  const late = list.find((item) => item.stage === 'inputs' && !(item instanceof Mixing));
  if (late !== undefined)
    throw new OptionError(`${where}: ${clip(late.name)} works on normalized inputs, not on images`);
  const [count, height, width, channels] = checkPixels(where, images);
  checkKeys(where, options, ['seed', 'epoch', 'samples', 'mean']);
  const seed = nonNegativeInteger(where, 'seed', options.seed ?? 0);
  const epoch = nonNegativeInteger(where, 'epoch', options.epoch ?? 0);
  const samples = checkSamples(where, options.samples, count);
  const mean = checkMean(where, options.mean, channels) ?? meanOf(images.pixels, channels);
  const pipeline = new Pipeline(list);
  pipeline.check({ channels, size: [height, width], mean }, false);
  const batch = { pixels: images.pixels, samples, occurrence: undefined, epoch };
  const shape = [channels, height, width] as const;
  const custom = new CustomRun(list, seed);
  const pixels = await custom
    .change({ ...batch, shape, describe: () => undefined })
    .finally(() => custom.close());
  const data = asImages(tensor(pixels, [count, height * width * channels]), [height, width, channels]);
  const rows = tensor(samples);
  const stored = { data, index: everyRow(data), samples: rows, occurrence: undefined, targets: rows };
  const draws = { seed, epoch: runtimeScalar(() => epoch), occurrence: none(rows) };
  const before = pipeline.recordImages(stored, { ...draws, mean, classes: undefined });
  const after = list.some((item) => item instanceof Mixing) ? mixed(pipeline, before, draws) : before.images;
  const [, , h = 1, w = 1] = after.shape;
  const size = [h, w, channels];
  return {
    pixels: interleaved(await after.data(), count, channels, h * w),
    shape: images.shape.length === 3 ? size : [count, ...size],
  };
}

/** Bytes mixed as normalized inputs would be: both means are the same but for rounding. */
function mixed(pipeline: Pipeline, batch: ImageBatch, draws: Omit<Draws, 'place' | 'uniform'>): Tensor {
  const inputs = { ...batch, images: cast(batch.images, 'f32'), targets: none(batch.samples), classes: 1 };
  return cast(add(pipeline.recordInputs(inputs, draws).images, 0.5), 'u8');
}

function checkPixels(where: string, images: unknown): [number, number, number, number] {
  checkObject(where, 'images', images);
  const { pixels, shape } = images as Partial<Pixels>;
  if (Object.prototype.toString.call(pixels) !== '[object Uint8Array]')
    throw new OptionError(`${where}: pixels must be a Uint8Array, got ${show(pixels)}`);
  checkAttached(where, pixels!);
  checkList(where, 'shape', shape);
  const sides = shape.length === 3 ? [1, ...shape] : [...shape];
  const [n, h, w, c] = sides as [number, number, number, number];
  if (sides.length !== 4 || !sides.every((side) => Number.isSafeInteger(side) && side > 0))
    throw new ShapeError(
      `${where}: shape must be [height, width, channels] or [count, height, width, channels], got ${show(shape)}`,
    );
  if (pixels!.length !== n * h * w * c)
    throw new ShapeError(`${where}: ${pixels!.length} bytes do not fill images of ${show(shape)}`);
  return [n, h, w, c];
}

function checkSamples(where: string, given: unknown, count: number): Int32Array {
  if (given === undefined) return Int32Array.from({ length: count }, (_, i) => i);
  checkList(where, 'samples', given);
  if (given.length !== count) throw new OptionError(`${where}: ${given.length} samples for ${count} images`);
  return Int32Array.from(given, (sample) => checkSample(where, 'each of samples', sample));
}

function checkMean(where: string, given: unknown, channels: number): number[] | undefined {
  if (given === undefined) return undefined;
  checkList(where, 'mean', given);
  if (given.length !== channels)
    throw new OptionError(
      `${where}: mean must have ${channels} numbers, one for each channel, got ${show(given)}`,
    );
  return given.map((each) => probability(where, 'each of mean', each));
}

/** The mean of each channel, from 0 to 1. */
function meanOf(pixels: Uint8Array, channels: number): number[] {
  const sums = Array<number>(channels).fill(0);
  for (let i = 0; i < pixels.length; i += channels)
    for (let c = 0; c < channels; c++) sums[c]! += pixels[i + c]!;
  return sums.map((sum) => sum / (pixels.length / channels) / 255);
}

/** From C, H, W to H, W, C. */
function interleaved(values: ArrayLike<number>, count: number, channels: number, pixels: number): Uint8Array {
  const out = new Uint8Array(count * channels * pixels);
  for (let n = 0; n < count; n++) {
    const from = n * channels * pixels;
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < pixels; p++) out[from + p * channels + c] = values[from + c * pixels + p]!;
  }
  return out;
}
