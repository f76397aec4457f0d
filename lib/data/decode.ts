/**
 * Decoding of compressed images, by sharp (libvips), which is an optional peer dependency loaded at first use.
 *
 * What comes out is always 8-bit sRGB (or grey), rows from the top, H,W,C interleaved:
 * - EXIF orientation is applied, embedded colour profiles and CMYK are converted to sRGB;
 * - transparent pixels are laid over black; 16-bit samples keep their high 8 bits; of animations the first frame is taken;
 * - grey to RGB repeats the value; RGB to grey is ITU-R 601 luma in integers, as Pillow's `convert('L')` does it:
 *   (19595 R + 38470 G + 7471 B + 32768) >> 16.
 */
import { availableParallelism } from 'node:os';
import type sharpFunction from 'sharp';
import type { Sharp, SharpOptions } from 'sharp';
import { DataError, TenonError } from '../errors';
import { clip, problemOf } from '../options';
import { malformed } from './source';

type SharpModule = typeof sharpFunction;

/** How an image of another size is brought to the wanted one, by Lanczos-3. */
export type ResizeRule = 'cover' | 'contain' | 'stretch';
/** All resize rules. */
export const RESIZE_RULES = ['cover', 'contain', 'stretch'] as const;
/** The rule where a size is wanted and none is named: also for model files that name none. */
export const DEFAULT_RESIZE: ResizeRule = 'cover';

/** What `decode` should make. */
export interface DecodeTarget {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /**
   * `cover` scales so that the image covers the target and cuts the middle out, `contain` scales so that it fits inside and pads with
   * black, `stretch` scales each side by itself. Without a rule an image of another size is an error.
   */
  readonly resize?: ResizeRule;
}

/** Most pixels an image may have before it is resized: 16384 x 16384, libvips' own bound. */
const MAX_PIXELS = 2 ** 28;

/**
 * Decodes run in libuv's pool, which files and name look-ups need too, so one of its threads (4 by default) stays free; and no more at once
 * than cores: measured on 2 cores, 2 at once were as fast as 16 and kept the event loop's 99th percentile at 2 ms instead of 15.
 */
const MAX_AT_ONCE = Math.max(
  1,
  Math.min(availableParallelism(), (Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1),
);
let running = 0;
const waiting: (() => void)[] = [];

/** Runs `job` when fewer than MAX_AT_ONCE others run, first come, first served. */
async function inTurn<T>(job: () => Promise<T>): Promise<T> {
  if (running < MAX_AT_ONCE) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve)); // the one that ends hands its place on
  try {
    return await job();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

let loaded: SharpModule | undefined;

/** Loads sharp at first use. @throws TenonError telling how to install it */
function loadSharp(): SharpModule {
  if (loaded !== undefined) return loaded;
  let sharp: SharpModule;
  try {
    // Not import(): in CommonJS output it stays one, and the vm contexts that jest runs tests in refuse it.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    sharp = require('sharp') as SharpModule;
  } catch (error) {
    throw new TenonError(
      `decoding images needs the package "sharp", which cannot be loaded: run npm install sharp (${problemOf(error)})`,
      { cause: error },
    );
  }
  // Many images are decoded at once, so threads inside one decode only fight; and no image is opened twice soon, so caching is waste.
  sharp.concurrency(1);
  sharp.cache(false);
  loaded = sharp;
  return sharp;
}

function openOptions(limitInputPixels: number): SharpOptions {
  // 'error' refuses truncated and damaged images but lets harmless oddities (stray bytes between JPEG markers) pass.
  return { failOn: 'error', limitInputPixels, autoOrient: true };
}

/** The size of an image after its EXIF orientation, from its header. @throws FormatError naming `name` if it is no image */
export async function probe(bytes: Uint8Array, name: string): Promise<{ height: number; width: number }> {
  const sharp = loadSharp();
  try {
    const { autoOrient } = await inTurn(() => sharp(bytes, openOptions(MAX_PIXELS)).metadata());
    return { height: autoOrient.height, width: autoOrient.width };
  } catch (error) {
    throw malformed(name, `not a readable image: ${problemOf(error)}`, error);
  }
}

/**
 * Decodes a PNG, JPEG or WebP (or whatever else sharp reads) into `out`, H*W*C bytes, by the rules at the top of this file.
 * @param name what to call the image in messages
 * @throws FormatError if it is damaged or no image, DataError if its size differs and there is no resize rule,
 *   TenonError if sharp is not installed
 */
export async function decode(
  bytes: Uint8Array,
  name: string,
  target: DecodeTarget,
  out: Uint8Array,
): Promise<void> {
  const { height, width, channels, resize } = target;
  const sharp = loadSharp();
  // Without a resize rule an image of more pixels is wrong anyway: do not decode it.
  const limit = resize === undefined ? height * width : MAX_PIXELS;
  let raw: { data: Buffer; info: { width: number; height: number; channels: number } };
  try {
    raw = await inTurn(() =>
      pipelineOf(sharp(bytes, openOptions(limit)), target)
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true }),
    );
  } catch (error) {
    if (resize === undefined) await checkSize(bytes, name, target);
    throw malformed(name, `not a readable image: ${problemOf(error)}`, error);
  }
  const { info, data } = raw;
  if (info.height !== height || info.width !== width) throw wrongSize(name, info, target);
  convertChannels(data, info.channels, out, channels);
}

function pipelineOf(image: Sharp, { height, width, resize }: DecodeTarget): Sharp {
  const black = { r: 0, g: 0, b: 0 };
  if (resize !== undefined)
    image.resize({ width, height, fit: resize === 'stretch' ? 'fill' : resize, background: black });
  return image.flatten({ background: black }).toColourspace('srgb');
}

async function checkSize(bytes: Uint8Array, name: string, target: DecodeTarget): Promise<void> {
  const size = await probe(bytes, name);
  if (size.height !== target.height || size.width !== target.width) throw wrongSize(name, size, target);
}

function wrongSize(name: string, found: { height: number; width: number }, target: DecodeTarget): DataError {
  return new DataError(
    `${clip(name)} is ${found.height}x${found.width}, the images before it ${target.height}x${target.width} (height x width): ` +
      'give imageSize to resize images of differing sizes',
  );
}

/** Copies `from` with `found` interleaved channels (1 or 3, or those with alpha) to `wanted` ones. */
function convertChannels(from: Uint8Array, found: number, out: Uint8Array, wanted: 1 | 3): void {
  if (found === wanted) {
    out.set(from);
    return;
  }
  const pixels = out.length / wanted;
  for (let p = 0; p < pixels; p++) {
    const r = from[p * found] ?? 0;
    const g = found >= 3 ? (from[p * found + 1] ?? 0) : r;
    const b = found >= 3 ? (from[p * found + 2] ?? 0) : r;
    if (wanted === 1) out[p] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
    else out.set([r, g, b], p * 3);
  }
}
