/**
 * MNIST and the sets that share its files (Fashion-MNIST, K-MNIST, EMNIST): a pair of IDX files per split.
 */
import { join } from 'node:path';
import { DataError } from '../errors';
import { checkKeys, clip, nonEmptyString, oneOf } from '../options';
import { UNPACK_LIMITS, readLimits, sizeProblem, type Limits, type UnpackLimits } from '../files/limits';
import { fileSize, pathKind, requireDirectory } from '../files/read';
import { malformed } from '../files/errors';
import { type IdxArray, readIdx } from './idx';
import { type ImageSource, eagerSource, numberedClasses } from './source';

/** Options of `readMnist`. */
export interface ReadMnistOptions extends UnpackLimits {
  /** Names of the classes. Default '0' to '9'. */
  readonly classNames?: readonly string[];
}

const PREFIX = { train: 'train', test: 't10k' } as const;

/** The names that the file of one kind is published by. */
function namesOf(prefix: string, kind: 'images' | 'labels'): string[] {
  const rank = kind === 'images' ? 3 : 1;
  const stems = [`${prefix}-${kind}-idx${rank}-ubyte`, `${prefix}-${kind}.idx${rank}-ubyte`];
  return stems.flatMap((stem) => [stem, `${stem}.gz`]);
}

/** The files by which a directory of either split is recognized. */
export const MNIST_MARKS = Object.values(PREFIX).flatMap((prefix) => namesOf(prefix, 'images'));

/**
 * The file of one kind, under the names it is published by.
 * @throws DataError listing the names looked for
 */
async function findFile(dir: string, prefix: string, kind: 'images' | 'labels'): Promise<string> {
  const names = namesOf(prefix, kind);
  for (const name of names) {
    if ((await pathKind(join(dir, name))) === 'file') return join(dir, name);
  }
  throw new DataError(`mnist: ${clip(dir)} holds no ${kind} file, looked for ${names.join(', ')}`);
}

function requireBytes(file: string, array: IdxArray, rank: number): Uint8Array {
  if (array.dtype !== 'u8' || array.shape.length !== rank) {
    throw malformed(file, `expected u8 of rank ${rank}, found ${array.dtype} [${array.shape.join(', ')}]`);
  }
  return array.data;
}

/**
 * The bytes that a sample takes besides its pixels: label, sums of its pixels, places in orders and targets.
 */
const SAMPLE_BYTES = 32;

/**
 * For images of a pixel or two, everything else that is kept of a sample takes far more memory
 * than the image.
 * @throws DataError past the limits
 */
async function requireFewSamples(file: string, limits: Limits, count: number, pixels: number): Promise<void> {
  const problem = sizeProblem(
    { ...limits, maxBytes: Infinity },
    await fileSize(file),
    count * (pixels + SAMPLE_BYTES),
  );
  if (problem !== undefined)
    throw new DataError(
      `${clip(file)}: ${count} samples of ${pixels} pixels and what belongs to them: ${problem}`,
    );
}

/**
 * Loads a split of MNIST from `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` (`t10k-` for test), each
 * plain or `.gz`.
 * @returns an eager source of [28, 28, 1] samples (whatever size the file says), in file order
 * @throws DataError for a missing directory or file, an empty set, a label without a class; FormatError for a
 *   file that is not what it says, or images and labels that differ in number
 */
export async function readMnist(
  dir: string,
  split: 'train' | 'test',
  options: ReadMnistOptions = {},
): Promise<ImageSource> {
  nonEmptyString('mnist', 'dir', dir);
  oneOf('mnist', 'split', split, ['train', 'test']);
  checkKeys('mnist', options, ['classNames', ...UNPACK_LIMITS]);
  const limits = readLimits('mnist', options);
  await requireDirectory('mnist', dir);
  const imageFile = await findFile(dir, PREFIX[split], 'images');
  const labelFile = await findFile(dir, PREFIX[split], 'labels');
  const [images, labels] = await Promise.all([readIdx(imageFile, limits), readIdx(labelFile, limits)]);
  const bytes = requireBytes(imageFile, images, 3);
  const classes = requireBytes(labelFile, labels, 1);
  const [count = 0, height = 0, width = 0] = images.shape;
  if (classes.length !== count)
    throw malformed(labelFile, `${classes.length} labels, but ${clip(imageFile)} has ${count} images`);
  if (count > 0 && height * width === 0) throw malformed(imageFile, `images of ${height}x${width} pixels`);
  await requireFewSamples(imageFile, limits, count, height * width);
  const classNames = options.classNames ?? numberedClasses(10);
  return eagerSource(labelFile, {
    height,
    width,
    channels: 1,
    classNames,
    labels: new Int32Array(classes),
    bytes,
  });
}
