/**
 * Decoding of compressed images, by sharp (libvips).
 *
 * The result is always 8-bit sRGB (or grey), rows from the top, H,W,C interleaved:
 * - EXIF orientation is applied, embedded colour profiles and CMYK are converted to sRGB;
 * - transparent pixels are laid over black; 16-bit samples keep their high 8 bits; of animations the first
 *   frame is taken;
 * - grey to RGB repeats the value; RGB to grey is ITU-R 601 luma in integers, as Pillow's `convert('L')` does
 *   it: (19595 R + 38470 G + 7471 B + 32768) >> 16.
 */
import { availableParallelism } from 'node:os';
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { DataError, TenonError, type FormatError } from '../errors';
import { clip, firstLineOf } from '../options';
import { DEFAULT_LIMITS, FREE_BYTES, sizeProblem, type Limits } from '../files/limits';
import { malformed } from '../files/errors';
import { THUMBNAIL, THUMBNAIL_BYTES } from './difference-hash';
import { Semaphore } from './semaphore';
import { loadSharp } from './sharp';
import { inSlices } from './slices';

/** How an image of another size is brought to the size wanted, by Lanczos-3. */
export type ResizeRule = 'cover' | 'contain' | 'stretch';
/** All resize rules. */
export const RESIZE_RULES = ['cover', 'contain', 'stretch'] as const;
/** The rule if a size is wanted and no rule is named, also for model files that name none. */
export const DEFAULT_RESIZE: ResizeRule = 'cover';

/** What `decode` should make. */
export interface DecodeTarget {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /**
   * `cover` scales so that the image covers the target, and cuts out the middle; `contain` scales so that it
   * fits inside and pads with black, `stretch` scales each side by itself. Without a rule an image of another
   * size is an error.
   */
  readonly resize?: ResizeRule;
  /**
   * Whether decoders may shrink an image as far as they can while they read it, which is faster and shifts
   * pixels a little. Default true.
   */
  readonly fastShrink?: boolean;
  /** How large an image may be before it is resized. Default: DEFAULT_LIMITS. */
  readonly limits?: Limits;
  /** Once it has fired, a decoding whose turn comes is dropped: the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Images of up to this many pixels are decoded without a look at their header: at most 8 bytes per pixel,
 * they take FREE_BYTES.
 */
const QUICK_PIXELS = FREE_BYTES / 8;
/** The bytes that can be copied in the time that converting a pixel takes. */
const PIXEL_COST = 8;
/** Bytes of a sample in memory, by libvips' name of its type. */
const SAMPLE_BYTES: Readonly<Record<string, number>> = { uchar: 1, char: 1, ushort: 2, short: 2 };

/**
 * Decodes run in libuv's pool, which files and name look-ups need too, so one of its threads (4 by default)
 * stays free. No more run at once than there are cores: on 2 cores, 2 at once were as fast as 16 and kept the
 * event loop's 99th percentile at 2 ms instead of 15.
 */
const DECODES_AT_ONCE = Math.max(
  1,
  Math.min(availableParallelism(), (Number(process.env.UV_THREADPOOL_SIZE) || 4) - 1),
);
/** Bytes that decodes of large images may take together. Those of small ones count as 0. */
const LARGE_DECODES_BYTES = 2 ** 29;
const decoding = new Semaphore(DECODES_AT_ONCE, LARGE_DECODES_BYTES);

function openOptions(limitInputPixels: number | false): SharpOptions {
  // 'error' refuses truncated and damaged images but lets harmless oddities (stray bytes between
  // JPEG markers) pass.
  return { failOn: 'error', limitInputPixels, autoOrient: true };
}

/** What an image's header says. */
interface ImageHeader {
  /** Size after its EXIF orientation. */
  readonly height: number;
  readonly width: number;
  /** Values of a pixel in it: 2 and 4 are grey and colours with transparency. */
  readonly channels: number;
  /** Bytes of all its samples as they are stored in it, unpacked. */
  readonly bytes: number;
}

/** Reads an image's header. @throws FormatError if it is not an image, or is larger than the limits allow */
async function readHeader(bytes: Uint8Array, name: string, limits: Limits): Promise<ImageHeader> {
  const sharp = loadSharp();
  let found: Metadata;
  try {
    found = await decoding.run(() => sharp(bytes, openOptions(false)).metadata());
  } catch (error) {
    throw unreadable(name, error);
  }
  const { height, width } = found.autoOrient;
  if (height * width > limits.maxPixels)
    throw malformed(name, `${height}x${width} pixels, more than ${limits.maxPixels} (option maxPixels)`);
  const unpacked = height * width * found.channels * (SAMPLE_BYTES[found.depth] ?? 8);
  const problem = sizeProblem({ ...limits, maxBytes: Infinity }, bytes.length, unpacked);
  if (problem !== undefined) throw malformed(name, problem);
  return { height, width, channels: found.channels, bytes: unpacked };
}

/**
 * The size of an image after its EXIF orientation, from its header.
 * @throws FormatError naming `name` if it is not an image, or is larger than the limits allow
 */
export async function probe(
  bytes: Uint8Array,
  name: string,
  limits: Limits = DEFAULT_LIMITS,
): Promise<{ height: number; width: number }> {
  const { height, width } = await readHeader(bytes, name, limits);
  return { height, width };
}

/** The longest side of an image that keeps its own size. */
const LONGEST_SIDE = 65535;

/** How large an image is kept that keeps its own proportions. */
export type Keep = 'original' | { readonly shortSide: number };

/**
 * The size at which an image is kept, from its header: its own, or with its short side at the length given if
 * it is longer. @throws FormatError as {@link probe}, also for a side longer than 65535 pixels
 */
export async function keptSize(
  bytes: Uint8Array,
  name: string,
  keep: Keep,
  limits: Limits,
): Promise<readonly [height: number, width: number]> {
  const { height, width } = await readHeader(bytes, name, limits);
  const short = Math.min(height, width);
  const to = keep === 'original' ? short : Math.min(short, keep.shortSide);
  const size = [Math.round((height * to) / short), Math.round((width * to) / short)] as const;
  if (Math.max(...size) > LONGEST_SIDE)
    throw malformed(name, `${size[0]}x${size[1]} pixels, a side is longer than ${LONGEST_SIDE}`);
  return size;
}

/** What {@link examine} finds. */
export interface Examined {
  readonly height: number;
  readonly width: number;
  /** Values of a pixel in the file: 2 and 4 are grey and colours with transparency. */
  readonly channels: number;
  /** The grey copy that difference-hash.ts hashes. */
  readonly thumbnail: Uint8Array;
}

/** Decodes an image to find out whether it is whole, and what it looks like. @throws as {@link decode} */
export async function examine(bytes: Uint8Array, name: string, limits: Limits): Promise<Examined> {
  const { height, width, channels } = await readHeader(bytes, name, limits);
  const thumbnail = new Uint8Array(THUMBNAIL_BYTES);
  // The hash of a copy of 73x55 pixels differs in up to 8 bits where decoders shrink it fast, else in 4.
  const target = { ...THUMBNAIL, channels: 1, resize: 'stretch', fastShrink: false, limits } as const;
  await decode(bytes, name, target, thumbnail);
  return { height, width, channels, thumbnail };
}

/**
 * Decodes a PNG, JPEG or WebP (or whatever else sharp reads) into `out`, H*W*C bytes, by the rules at the top
 * of this file.
 * @param name what to call the image in messages
 * @throws FormatError if it is damaged, not an image, or larger than the limits allow; DataError if its size
 *   differs and there is no resize rule; TenonError if sharp is not installed; the reason of `target.signal`
 */
export async function decode(
  bytes: Uint8Array,
  name: string,
  target: DecodeTarget,
  out: Uint8Array,
): Promise<void> {
  const { height, width, resize, limits = DEFAULT_LIMITS } = target;
  // Without a resize rule, an image with more pixels is wrong anyway, so it is not decoded.
  const wanted = resize === undefined ? height * width : Infinity;
  const most = Math.min(QUICK_PIXELS, limits.maxPixels, wanted);
  const { data, info } = await decoding
    .run(() => decodeRaw(bytes, target, most))
    .catch((error: unknown) => decodeLarge(bytes, name, target, error));
  if (info.height !== height || info.width !== width) throw wrongSize(name, info, target);
  await convertChannels(data, info.channels, out, target.channels);
}

interface RawImage {
  readonly data: Buffer;
  readonly info: { readonly width: number; readonly height: number; readonly channels: number };
}

async function decodeRaw(bytes: Uint8Array, target: DecodeTarget, limitPixels: number): Promise<RawImage> {
  target.signal?.throwIfAborted();
  return pipelineOf(loadSharp()(bytes, openOptions(limitPixels)), target)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
}

/**
 * Decodes an image that was refused by `refusal`, if it was refused for its size and this is
 * within the limits.
 */
async function decodeLarge(
  bytes: Uint8Array,
  name: string,
  target: DecodeTarget,
  refusal: unknown,
): Promise<RawImage> {
  if (refusal instanceof TenonError) throw refusal; // sharp cannot be loaded
  const { signal } = target;
  signal?.throwIfAborted();
  const header = await readHeader(bytes, name, target.limits ?? DEFAULT_LIMITS);
  const { height, width } = header;
  if (target.resize === undefined && (height !== target.height || width !== target.width))
    throw wrongSize(name, header, target);
  if (height * width <= QUICK_PIXELS) throw unreadable(name, refusal);
  try {
    return await decoding.run(() => decodeRaw(bytes, target, height * width), header.bytes);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(name, error);
  }
}

function pipelineOf(image: Sharp, { height, width, resize, fastShrink = true }: DecodeTarget): Sharp {
  const black = { r: 0, g: 0, b: 0 };
  if (resize !== undefined) {
    const fit = resize === 'stretch' ? 'fill' : resize;
    image.resize({ width, height, fit, background: black, fastShrinkOnLoad: fastShrink });
  }
  return image.flatten({ background: black }).toColourspace('srgb');
}

/**
 * libvips has one message for all its threads: of decodes that fail at once, one has the lines of all and the
 * others have none.
 */
function unreadable(name: string, error: unknown): FormatError {
  const problem = clip(firstLineOf(error));
  const reason = problem === 'Unknown error' ? 'it is damaged' : problem;
  return malformed(name, `not a readable image: ${reason}`, error);
}

function wrongSize(name: string, found: { height: number; width: number }, target: DecodeTarget): DataError {
  return new DataError(
    `${clip(name)} is ${found.height}x${found.width}, the images before it ${target.height}x${target.width} (height x width): ` +
      'give imageSize to resize images of differing sizes',
  );
}

/** The grey of a colour. */
export function luma(r: number, g: number, b: number): number {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

/** Copies `from` with `found` interleaved channels (1 or 3, or those with alpha) to `wanted` ones. */
async function convertChannels(
  from: Uint8Array,
  found: number,
  out: Uint8Array,
  wanted: 1 | 3,
): Promise<void> {
  if (found === wanted) {
    out.set(from);
    return;
  }
  await inSlices(out.length / wanted, PIXEL_COST, (begin, end) => {
    for (let p = begin; p < end; p++) {
      const r = from[p * found] ?? 0;
      const g = found >= 3 ? (from[p * found + 1] ?? 0) : r;
      const b = found >= 3 ? (from[p * found + 2] ?? 0) : r;
      if (wanted === 1) out[p] = luma(r, g, b);
      else out.set([r, g, b], p * 3);
    }
  });
}
