/**
 * What a user's own function makes of images, on whatever thread this runs: the JavaScript thread or a
 * worker, which loads this file without the addon.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { messageOf, show } from '../options';
import { philox } from '../philox';

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

/** Images to change in place, and what decides their draws. */
export interface CustomImages {
  /** The images one after the other. */
  readonly pixels: Uint8Array;
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly samples: Int32Array;
  /** How often each came before in the epoch; undefined: never. */
  readonly occurrence: Int32Array | undefined;
  readonly epoch: number;
  /** The key of the stream of random numbers. */
  readonly key: readonly [number, number];
  /** The augmentation's place in the list, from 1. */
  readonly place: number;
  /** The probability that an image is changed. */
  readonly p: number;
}

/** What is wrong with one of several images. */
export class ImageFault extends Error {
  constructor(
    readonly index: number,
    problem: string,
    cause?: unknown,
  ) {
    super(problem, { cause });
  }
}

/**
 * Philox words, one after the other: counter (sample, occurrence, place and block, epoch), as native/augment.
 */
class Numbers implements RandomNumbers {
  private readonly words = new Uint32Array(4);
  private used = 4;
  private block: number;

  constructor(
    private readonly key: readonly [number, number],
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

/** The event loop turns after this many milliseconds of work. */
const SLICE = 8;

/**
 * Takes each image through a function. `begin` is called before each.
 * @throws ImageFault for the first image for which it throws or returns something else
 */
export async function changeImages(
  fn: CustomFunction,
  { pixels, shape, samples, occurrence, epoch, key, place, p }: CustomImages,
  begin: () => void = () => undefined,
): Promise<void> {
  const [channels, height, width] = shape;
  const size = channels * height * width;
  let begun = performance.now();
  for (const [i, sample] of samples.entries()) {
    begin();
    const random = new Numbers(key, epoch, sample, occurrence?.[i] ?? 0, place);
    if (p < 1 && !random.chance(p)) continue;
    const before = pixels.slice(i * size, (i + 1) * size);
    pixels.set(await changed(fn, before, { height, width, channels, sample, random }, i), i * size);
    if (performance.now() - begun > SLICE) {
      await nextTurn();
      begun = performance.now();
    }
  }
}

async function changed(
  fn: CustomFunction,
  pixels: Uint8Array,
  image: CustomImage,
  index: number,
): Promise<Uint8Array> {
  const size = pixels.length;
  let result: unknown;
  try {
    result = await fn(pixels, image);
  } catch (error) {
    throw new ImageFault(index, messageOf(error), error);
  }
  const after = result ?? pixels;
  const bytes = isBytes(after);
  if (bytes && after.length === size) return after;
  const shape = `${image.height}x${image.width}x${image.channels}`;
  const came = bytes ? `${after.length} bytes` : show(after);
  throw new ImageFault(index, `expected a Uint8Array of ${shape} = ${size} bytes, got ${came}`);
}

function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]';
}
