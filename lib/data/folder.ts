/**
 * Image folders `SPLIT/CLASS/NAME.{png,jpg,jpeg,webp}`, on disk or inside a tar archive. Images stay
 * compressed (on disk, or in memory for an archive) and are decoded when they are read.
 */
import { AbortedError, DataError, FormatError, OptionError } from '../errors';
import {
  checkKeys,
  checkSignal,
  clip,
  clipList,
  nonEmptyString,
  oneOf,
  positiveInteger,
  show,
} from '../options';
import { READ_LIMITS, readLimits, type Limits, type ReadLimits } from '../files/limits';
import { readRegular } from '../files/read';
import { DEFAULT_RESIZE, RESIZE_RULES, type Keep, type ResizeRule, decode, keptSize, probe } from './decode';
import { type FoundImage, findImages } from './folder-scan';
import { inSlices } from './slices';
import { type ImageSource, checkRead } from './source';

/** Options of `readFolder`. */
export interface ReadFolderOptions extends ReadLimits {
  /**
   * A directory that holds split folders, or archives `SPLIT.tar.gz` or `NAME-SPLIT.tar.gz` (also `.tgz`,
   * `.tar`); or an archive.
   */
  readonly dir: string;
  /** Which split to read. Without it `dir` itself holds the class folders. */
  readonly split?: string;
  /**
   * Size of the samples: a side, or [height, width]. Default: that of the first image; without `resize` all
   * must have it.
   */
  readonly imageSize?: number | readonly [height: number, width: number];
  /** 1 for grey, 3 for RGB. Default 3. */
  readonly channels?: 1 | 3;
  /**
   * What to do with images of another size than `imageSize`, or than the first one where this is given alone.
   * Default 'cover': scale until the image just covers the sample (the short side fits, for a square), then
   * cut out the centre. 'contain' pads with black, 'stretch' ignores proportions. A model that is trained on
   * the set keeps the rule in its `preprocessing`.
   */
  readonly resize?: ResizeRule;
  /**
   * Keeps images at sizes of their own instead of at `imageSize`, which is then the size of what models see:
   * 'original' as they are; `{ shortSide: 480 }` at their proportions, shrunk if their short side is longer.
   * Training then cuts its windows straight out of these (`augment.randomScaleCrop`,
   * `augment.randomResizedCrop`), and so do the `crops` and `scales` of `predict` and `evaluate`; all else
   * sees their centre, as `resize: 'cover'` cuts it out. The headers of all images are read now.
   */
  readonly keep?: Keep;
  /**
   * The class map: class `i` is the folder `classNames[i]`. Default: all class folders, sorted by code unit.
   * Give the training split's to a test split that may lack a class.
   */
  readonly classNames?: readonly string[];
  /**
   * What a damaged image does. 'throw' (default): decoding it throws a FormatError, which ends whatever needs
   * it. 'skip': all images are decoded now instead of when training asks for them. The damaged ones are left
   * out and listed in `Dataset.skipped`, so the set is a function of the files. Files that cannot be read,
   * and images of the wrong size, are errors in both cases.
   */
  readonly onError?: OnError;
  /** With `onError: 'skip'`: called now and then with the number of images looked at, and of all images. */
  readonly onProgress?: (images: number, of: number) => void;
  /** Ends the opening, which then rejects with an AbortedError whose cause is the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a damaged image may do. */
export const ON_ERROR = ['throw', 'skip'] as const;
export type OnError = (typeof ON_ERROR)[number];

/** The bytes that can be copied in the time that finding a label takes. */
const LABEL_COST = 256;

const KEYS = [
  'dir',
  'split',
  'imageSize',
  'channels',
  'resize',
  'keep',
  'classNames',
  'onError',
  'onProgress',
  'signal',
  ...READ_LIMITS,
] as const;

/**
 * Opens an image folder as a lazy source: class folders and the files in each sorted by code unit, hidden
 * files and other extensions passed over, grouped by class. Only the header of the first image is read now.
 * @throws DataError for a missing directory, one without class folders or images, or a class unknown to
 *   `classNames`; FormatError for a corrupt archive or first image; `read` throws FormatError for a corrupt
 *   image and DataError for one of another size, naming it
 */
export async function readFolder(options: ReadFolderOptions): Promise<ImageSource> {
  const { dir, split, channels, resize, wanted, keep, skip, limits } = parseOptions(options);
  const found = await findImages(dir, split, limits);
  if (options.signal?.aborted === true)
    throw new AbortedError('folder: aborted', { cause: options.signal.reason });
  const where = `folder ${clip(found.place)}`;
  const classNames = Object.freeze([...(options.classNames ?? found.classNames)]);
  const images = found.images;
  const labels = await labelImages(where, images, classNames);
  if (images.length === 0)
    throw new DataError(
      `${where}: no images (png, jpg, jpeg, webp) in its class folders ${clipList(classNames)}`,
    );
  const { height, width } = wanted ?? (await firstSize(where, images, skip, limits));
  const sizes = keep && (await keptSizes(images, keep, skip, limits, options.signal));
  const form = { length: images.length, height, width, channels, ...(sizes && { sizes }) };
  return {
    ...form,
    ...resize,
    names: images.map((image) => image.name),
    classNames,
    labels,
    eager: false,
    async read(index, out) {
      checkRead(where, form, index, out);
      const image = images[index] as FoundImage; // checkRead has checked the index
      const bytes = image.bytes ?? (await readRegular(image.name));
      const target = sizes === undefined ? { height, width, ...resize } : ownTarget(sizes, index);
      await decode(bytes, image.name, { ...target, channels, limits }, out).catch((error: unknown) => {
        throw skip ? error : withHint(error);
      });
    },
    describe: (index) => images[index]?.name ?? `${where} image ${index}`,
  };
}

function ownTarget(sizes: Int32Array, index: number) {
  return { height: sizes[2 * index]!, width: sizes[2 * index + 1]!, resize: 'stretch' } as const;
}

/** Headers that are read at once. */
const HEADERS_AT_ONCE = 64;

/**
 * Height and width of each image as it is kept. With `skip`, an image without a readable header takes one
 * pixel; decoding it will say what is wrong.
 */
async function keptSizes(
  images: readonly FoundImage[],
  keep: Keep,
  skip: boolean,
  limits: Limits,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  const sizes = new Int32Array(2 * images.length).fill(1);
  for (let begin = 0; begin < images.length; begin += HEADERS_AT_ONCE) {
    if (signal?.aborted === true) throw new AbortedError('folder: aborted', { cause: signal.reason });
    const some = images.slice(begin, begin + HEADERS_AT_ONCE);
    const reads = some.map(async (image, i) => {
      const bytes = image.bytes ?? (await readRegular(image.name));
      sizes.set(await keptSize(bytes, image.name, keep, limits), 2 * (begin + i));
    });
    for (const read of await Promise.allSettled(reads)) {
      if (read.status === 'fulfilled' || (skip && read.reason instanceof FormatError)) continue;
      throw withHint(read.reason);
    }
  }
  return sizes;
}

interface ParsedOptions {
  readonly dir: string;
  readonly split: string | undefined;
  readonly channels: 1 | 3;
  readonly resize: { readonly resize?: ResizeRule };
  readonly wanted: { readonly height: number; readonly width: number } | undefined;
  readonly keep: Keep | undefined;
  readonly skip: boolean;
  readonly limits: Limits;
}

/** @throws OptionError */
function parseOptions(options: ReadFolderOptions): ParsedOptions {
  checkKeys('folder', options, KEYS);
  const rule = options?.resize ?? (options?.imageSize === undefined ? undefined : DEFAULT_RESIZE);
  const parsed = {
    dir: nonEmptyString('folder', 'dir', options?.dir),
    split: options.split === undefined ? undefined : nonEmptyString('folder', 'split', options.split),
    channels: oneOf('folder', 'channels', options.channels ?? 3, [1, 3]),
    resize: rule === undefined ? {} : { resize: oneOf('folder', 'resize', rule, RESIZE_RULES) },
    wanted: options.imageSize === undefined ? undefined : parseImageSize(options.imageSize),
    keep: parseKeep(options),
    skip: oneOf('folder', 'onError', options.onError ?? 'throw', ON_ERROR) === 'skip',
    limits: readLimits('folder', options),
  };
  checkSignal('folder', options.signal);
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new OptionError(`folder: onProgress must be a function, got ${show(onProgress)}`);
  if (onProgress !== undefined && !parsed.skip)
    throw new OptionError("folder: onProgress is for onError: 'skip'; else no images are read now");
  return parsed;
}

function parseKeep({ keep, imageSize, resize }: ReadFolderOptions): Keep | undefined {
  if (keep === undefined) return undefined;
  if (imageSize === undefined)
    throw new OptionError('folder: keep needs imageSize, the size of what models see');
  if (resize !== undefined && resize !== 'cover')
    throw new OptionError(`folder: with keep, resize can only be cover, got ${show(resize)}`);
  if (keep === 'original') return keep;
  if (typeof keep !== 'object' || keep === null)
    throw new OptionError(`folder: keep must be 'original' or { shortSide }, got ${show(keep)}`);
  checkKeys('folder: keep', keep, ['shortSide']);
  return { shortSide: positiveInteger('folder: keep', 'shortSide', keep.shortSide) };
}

/** A damaged image may be found hours after the folder was opened, so the message names the remedy. */
function withHint(error: unknown): unknown {
  if (!(error instanceof FormatError)) return error;
  return new FormatError(`${error.message} (onError "skip" leaves damaged images out)`, { cause: error });
}

/** The size of the first image, or of the first undamaged one if damaged images are skipped. */
async function firstSize(
  where: string,
  images: readonly FoundImage[],
  skip: boolean,
  limits: Limits,
): Promise<{ height: number; width: number }> {
  for (const image of images) {
    try {
      return await probe(image.bytes ?? (await readRegular(image.name)), image.name, limits);
    } catch (error) {
      if (!skip) throw withHint(error);
      if (!(error instanceof FormatError)) throw error;
    }
  }
  throw new DataError(`${where}: none of the ${images.length} images is readable`);
}

function parseImageSize(imageSize: number | readonly number[]): { height: number; width: number } {
  const sides: unknown = typeof imageSize === 'number' ? [imageSize, imageSize] : imageSize;
  const [height, width, ...rest]: readonly unknown[] = Array.isArray(sides) ? (sides as unknown[]) : [];
  if (!Array.isArray(sides) || rest.length > 0)
    throw new OptionError(`folder: imageSize must be a side or [height, width], got ${show(imageSize)}`);
  return {
    height: positiveInteger('folder', 'imageSize', height),
    width: positiveInteger('folder', 'imageSize', width),
  };
}

async function labelImages(
  where: string,
  images: readonly FoundImage[],
  classNames: readonly string[],
): Promise<Int32Array> {
  const indexOf = new Map(classNames.map((name, i) => [name, i]));
  const labels = new Int32Array(images.length);
  await inSlices(images.length, LABEL_COST, (begin, end) => {
    for (let i = begin; i < end; i++) {
      const { className } = images[i]!;
      const label = indexOf.get(className);
      if (label === undefined)
        throw new DataError(
          `${where}: class folder ${show(className)} is not one of classNames ${clipList(classNames)}`,
        );
      labels[i] = label;
    }
  });
  return labels;
}
