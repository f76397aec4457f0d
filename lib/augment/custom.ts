/**
 * A user's own function at the head of the list. It runs before the step, on the JavaScript thread, one image
 * at a time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { DataError } from '../errors';
import { checkFunction, clip, messageOf, show } from '../options';
import { declareSettings, nonEmptyString, probability, type OptionsOf } from '../settings';
import { philox } from '../philox';
import { streamKey, type StreamKey } from '../random';
import type { Augmentation, ImageBatch } from './augmentation';

/** What a custom augmentation gets besides the pixels. */
export interface CustomImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The row of the sample in the set that was read. */
  readonly sample: number;
  /** Random numbers for this image: a function of seed, epoch, sample, occurrence and place in the list. */
  readonly random: RandomNumbers;
}

/** A stream of random numbers. */
export interface RandomNumbers {
  /** From `low` (default 0) to below `high` (default 1). */
  uniform(low?: number, high?: number): number;
  /** A whole number from 0 to below `n`. */
  below(n: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** From a normal distribution of mean 0 and deviation 1. */
  normal(): number;
}

/**
 * Changes an image: `pixels` are height x width x channels bytes, row by row, a copy that may be changed in
 * place. Returns the new pixels, of the same size, or nothing where `pixels` was changed.
 */
export type CustomFunction = (
  pixels: Uint8Array,
  image: CustomImage,
) => Uint8Array | void | Promise<Uint8Array | void>;

const settings = declareSettings({
  name: nonEmptyString('What errors call it.', { default: 'custom' }),
  p: probability('Probability that it happens.', { default: 1 }),
});

export type CustomOptions = OptionsOf<typeof settings>;

export class CustomAugmentation implements Augmentation {
  readonly name: string;
  readonly settings: { readonly p: number };

  constructor(
    readonly fn: CustomFunction,
    { name, p }: { readonly name: string; readonly p: number },
  ) {
    this.name = name;
    this.settings = { p };
  }

  /** Everything happened before the step. */
  record(batch: ImageBatch): ImageBatch {
    return batch;
  }
}

/**
 * An augmentation of your own: a function on the bytes of one image. It must stand at the head of the list;
 * it runs before the step, on the JavaScript thread, while the step before it computes. `fn` may return a
 * promise, for example of a worker.
 * @throws OptionError
 */
export function custom(fn: CustomFunction, options?: CustomOptions): CustomAugmentation {
  checkFunction('augment.custom', 'fn', fn);
  return new CustomAugmentation(fn, settings.read('augment.custom', options));
}

/**
 * Philox words, one after the other: counter (sample, occurrence, place and block, epoch), as native/augment.
 */
class Numbers implements RandomNumbers {
  private readonly words = new Uint32Array(4);
  private used = 4;
  private block: number;

  constructor(
    private readonly key: StreamKey,
    private readonly epoch: number,
    private readonly sample: number,
    private readonly occurrence: number,
    place: number,
  ) {
    this.block = place * 2 ** 20;
  }

  uniform(low = 0, high = 1): number {
    if (this.used === 4) {
      philox(this.words, ...this.key, this.sample, this.occurrence, this.block++, this.epoch);
      this.used = 0;
    }
    return low + (this.words[this.used++]! >>> 8) * 2 ** -24 * (high - low);
  }

  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** Box and Muller's. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}

/** Whether a list begins with augmentations that run before the step. */
export function runsBefore(list: readonly Augmentation[]): boolean {
  return list[0] instanceof CustomAugmentation;
}

/** Images of a batch, before the step. */
export interface CustomBatch {
  /** The images one after the other. */
  readonly pixels: Uint8Array;
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly samples: Int32Array;
  readonly occurrence: Int32Array | undefined;
  readonly epoch: number;
  /** What messages call a sample: its file. */
  readonly describe: (sample: number) => string | undefined;
}

/** The event loop turns after this many milliseconds of work. */
const SLICE = 8;

/**
 * Takes the images of a batch through the custom augmentations that a list begins with.
 * @throws DataError naming the sample for which a function throws or returns something else
 */
export async function runCustom(
  list: readonly Augmentation[],
  seed: number,
  batch: CustomBatch,
): Promise<Uint8Array> {
  const key = streamKey(seed, 'augment');
  const [channels, height, width] = batch.shape;
  const size = channels * height * width;
  const out = new Uint8Array(batch.samples.length * size);
  let begun = performance.now();
  for (const [i, sample] of batch.samples.entries()) {
    let pixels: Uint8Array = batch.pixels.slice(i * size, (i + 1) * size);
    for (const [index, item] of list.entries()) {
      if (!(item instanceof CustomAugmentation)) break;
      const random = new Numbers(key, batch.epoch, sample, batch.occurrence?.[i] ?? 0, index + 1);
      if (item.settings.p < 1 && !random.chance(item.settings.p)) continue;
      pixels = await changed(item, pixels, { height, width, channels, sample, random }, batch);
    }
    out.set(pixels, i * size);
    if (performance.now() - begun > SLICE) {
      await nextTurn();
      begun = performance.now();
    }
  }
  return out;
}

async function changed(
  { name, fn }: CustomAugmentation,
  pixels: Uint8Array,
  image: CustomImage,
  { describe }: CustomBatch,
): Promise<Uint8Array> {
  const file = describe(image.sample);
  const where = `augment: ${clip(name)}: sample ${image.sample}${file === undefined ? '' : ` (${clip(file)})`}`;
  const size = pixels.length;
  let result: unknown;
  try {
    result = await fn(pixels, image);
  } catch (error) {
    throw new DataError(`${where}: ${clip(messageOf(error))}`, { cause: error });
  }
  const after = result ?? pixels;
  const bytes = isBytes(after);
  if (bytes && after.length === size) return after;
  const shape = `${image.height}x${image.width}x${image.channels}`;
  const came = bytes ? `${after.length} bytes` : show(after);
  throw new DataError(`${where}: expected a Uint8Array of ${shape} = ${size} bytes, got ${came}`);
}

function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]';
}
