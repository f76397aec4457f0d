/** Images of a data set that look the same: `data.nearDuplicates`. */
import { AbortedError, DataError, OptionError } from '../errors';
import { CROP_COLUMNS, resampleImages } from '../ops';
import { checkKeys, checkSignal, show } from '../options';
import { tensor } from '../tensor/tensor';
import { Dataset } from './dataset';
import { luma } from './decode';
import { THUMBNAIL, THUMBNAIL_BYTES } from './difference-hash';
import { lookAlikes } from './look-alikes';
import type { Samples } from './samples';

/** Images that are made small in one run, and between two reports. */
const AT_ONCE = 64;

/** Options of `data.nearDuplicates`. */
export interface NearDuplicatesOptions {
  /** Ends the search, which then rejects with an AbortedError whose cause is the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called now and then with the number of images looked at, and of all images. */
  readonly onProgress?: (images: number, of: number) => void;
}

/** Two or more samples of a set that look the same. */
export interface NearDuplicateGroup {
  /** Their positions, ascending. */
  readonly positions: readonly number[];
  /** Names of their classes, each once. Where there are several, a label is probably wrong. */
  readonly classNames: readonly string[];
}

/** What `data.nearDuplicates` found. */
export interface NearDuplicates {
  /** The groups, by their first positions. */
  readonly groups: readonly NearDuplicateGroup[];
  /**
   * For each sample the first position of its group, or its own where it is like no other. As `groups` of
   * `Dataset.holdOut` and `Dataset.folds` it keeps a group in one part.
   */
  readonly groupOf: Int32Array;
}

/**
 * Finds images that look the same: a photograph that was saved twice, resized, compressed again or made a
 * little lighter. Not found are parts of an image, mirror images and turned ones; nor images that are flat,
 * or change only from top to bottom.
 *
 * Two images are alike if their difference hashes (N. Krawetz, "Kind of Like That", 2013) differ in at most 7
 * of 64 bits, and the 8 x 9 grey pixels that those are taken from correlate by at least 0.95. An image is of
 * a group if it is like one of it. This is for photographs: drawings of a few strokes, such as digits, look
 * alike at that size.
 *
 * Decodes images that are not decoded yet. Images are taken as the set has them, after
 * `imageSize` and `resize`.
 * @throws OptionError for what is not a set of images; DataError for images that are neither grey nor RGB;
 *   FormatError for a corrupt image; AbortedError
 */
export async function nearDuplicates(
  set: Dataset,
  options: NearDuplicatesOptions = {},
): Promise<NearDuplicates> {
  if (!(set instanceof Dataset))
    throw new OptionError(`nearDuplicates: expected a Dataset, got ${show(set)}`);
  checkOptions(options);
  const { samples, rows } = set.part;
  const positionsOf = new Map<number, number[]>();
  rows.forEach((row, position) => {
    const positions = positionsOf.get(row);
    if (positions === undefined) positionsOf.set(row, [position]);
    else positions.push(position);
  });
  const positions = [...positionsOf.values()];
  const thumbnails = await thumbnailsOf(samples, Int32Array.from(positionsOf.keys()), options);
  const found = await lookAlikes(thumbnails);
  const groupOf = rows.map((row) => positionsOf.get(row)![0]!);
  const { labels, classNames } = set;
  const groups = found.map((group) => {
    const members = group.flatMap((at) => positions[at]!).sort((a, b) => a - b);
    for (const position of members) groupOf[position] = members[0]!;
    const classes = new Set(labels && members.map((position) => labels[position]!));
    const names = [...classes].sort((a, b) => a - b).map((label) => classNames[label]!);
    return Object.freeze({ positions: Object.freeze(members), classNames: Object.freeze(names) });
  });
  return { groups, groupOf };
}

function checkOptions(options: NearDuplicatesOptions): void {
  checkKeys('nearDuplicates', options, ['signal', 'onProgress']);
  checkSignal('nearDuplicates', options.signal);
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new OptionError(`nearDuplicates: onProgress must be a function, got ${show(onProgress)}`);
}

/** The grey copies of these rows that difference-hash.ts hashes. */
export async function thumbnailsOf(
  samples: Samples,
  rows: Int32Array,
  { signal, onProgress }: NearDuplicatesOptions = {},
): Promise<Uint8Array[]> {
  const stored = samples.stored();
  if (stored === undefined)
    throw new OptionError('nearDuplicates: this is for images, the set is of features');
  const { data, table, channels, largest } = stored;
  if (channels !== 1 && channels !== 3)
    throw new DataError(`nearDuplicates: images must have 1 or 3 channels, these have ${channels}`);
  const { height, width } = THUMBNAIL;
  const thumbnails: Uint8Array[] = [];
  for (let begin = 0; begin < rows.length; begin += AT_ONCE) {
    if (signal?.aborted === true) throw new AbortedError('nearDuplicates: aborted', { cause: signal.reason });
    const some = rows.slice(begin, begin + AT_ONCE);
    await samples.ensure(some, signal);
    const crops = Int32Array.from(
      [...some].flatMap((row) => [0, 0, ...stored.sizeOf(row), height, width, 0, 0, 0]),
    );
    const form = { size: [height, width], channels, largest } as const;
    const small = resampleImages(data, table, tensor(some), tensor(crops, [some.length, CROP_COLUMNS]), form);
    const pixels = (await small.data()) as Uint8Array;
    for (let i = 0; i < some.length; i++) thumbnails.push(greyOf(pixels, i, channels));
    onProgress?.(thumbnails.length, rows.length);
  }
  return thumbnails;
}

/** Image `i` of u8 [N, C, 8, 9], grey. */
function greyOf(pixels: Uint8Array, i: number, channels: 1 | 3): Uint8Array {
  const begin = i * channels * THUMBNAIL_BYTES;
  if (channels === 1) return pixels.slice(begin, begin + THUMBNAIL_BYTES);
  return Uint8Array.from({ length: THUMBNAIL_BYTES }, (_, p) => {
    const at = begin + p;
    return luma(pixels[at]!, pixels[at + THUMBNAIL_BYTES]!, pixels[at + 2 * THUMBNAIL_BYTES]!);
  });
}
