/**
 * CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary form: records of one label byte (CIFAR-100:
 * coarse, then fine) and 3072 bytes, the R, G and B planes of a 32x32 image. CIFAR-10 may also be an image
 * folder, or tar files of one.
 */
import { join } from 'node:path';
import { DataError } from '../errors';
import { checkKeys, clip, nonEmptyString, oneOf } from '../options';
import { READ_LIMITS, memoryFor, readLimits, type ReadLimits } from '../files/limits';
import { fileSize, pathKind, readWhole, requireDirectory } from '../files/read';
import { malformed } from '../files/errors';
import { readFolder } from './folder';
import { inSlices } from './slices';
import { type ImageSource, eagerSource, numberedClasses } from './source';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;
/** A file of class names has a hundred lines. */
const MAX_NAMES_BYTES = 1 << 16;

const CIFAR10_NAMES = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];
const CIFAR10_FILES = {
  train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  test: ['test_batch.bin'],
} as const;

/** The folders that the published archives unpack to. */
const CIFAR10_HOME = 'cifar-10-batches-bin';
const CIFAR100_HOME = 'cifar-100-binary';

/** The files, either split's, by which a directory is recognized. */
const marks = (home: string, names: readonly string[]): string[] =>
  names.flatMap((name) => [name, join(home, name)]);
export const CIFAR10_MARKS = marks(CIFAR10_HOME, [CIFAR10_FILES.train[0]!, CIFAR10_FILES.test[0]]);
export const CIFAR100_MARKS = marks(CIFAR100_HOME, ['train.bin', 'test.bin']);

/** The directory that holds `file`: `dir`, or the folder in it that the published archive unpacks to. */
async function locate(dir: string, folder: string, file: string): Promise<string | undefined> {
  for (const candidate of [dir, join(dir, folder)]) {
    if ((await pathKind(join(candidate, file))) === 'file') return candidate;
  }
  return undefined;
}

interface RecordForm {
  /** Bytes before the pixels. */
  readonly labelBytes: number;
  /** Which of them is the label. */
  readonly labelAt: number;
  readonly classes: number;
}

/** Where records go: all labels and pixels, and the number of records that are there already. */
interface Records {
  readonly labels: Int32Array;
  readonly bytes: Uint8Array;
  count: number;
}

/** Copies the records of one file after those of the files before it. */
async function readRecordsOf(file: string, form: RecordForm, to: Records): Promise<void> {
  const content = await readWhole(file);
  const recordBytes = form.labelBytes + PIXELS;
  const first = to.count;
  const count = content.length / recordBytes;
  if (!Number.isInteger(count) || first + count > to.labels.length)
    throw new DataError(`${clip(file)}: changed while it was read`);
  await inSlices(count, recordBytes, (begin, end) => {
    for (let r = begin; r < end; r++) {
      const start = r * recordBytes;
      const label = content[start + form.labelAt] ?? 0;
      if (label >= form.classes)
        throw new DataError(
          `${clip(file)}: label ${label} of record ${r} is out of range, there are ${form.classes} classes`,
        );
      to.labels[first + r] = label;
      interleave(content, start + form.labelBytes, to.bytes, (first + r) * PIXELS);
    }
  });
  to.count += count;
}

/** Planes R, G, B to pixels RGB. */
function interleave(from: Uint8Array, at: number, to: Uint8Array, out: number): void {
  for (let p = 0; p < PLANE; p++) {
    to[out++] = from[at + p] ?? 0;
    to[out++] = from[at + PLANE + p] ?? 0;
    to[out++] = from[at + 2 * PLANE + p] ?? 0;
  }
}

async function readRecords(
  where: string,
  files: readonly string[],
  form: RecordForm,
  classNames: readonly string[],
): Promise<ImageSource> {
  const recordBytes = form.labelBytes + PIXELS;
  let count = 0;
  for (const file of files) {
    const size = await fileSize(file);
    if (size === 0 || size % recordBytes !== 0)
      throw malformed(file, `${size} bytes is not a whole number of ${recordBytes}-byte records`);
    count += size / recordBytes;
  }
  const bytes = new Uint8Array(memoryFor(where, count * PIXELS));
  const records = { labels: new Int32Array(count), bytes, count: 0 };
  // One file at a time, so that memory holds only one file twice.
  for (const file of files) await readRecordsOf(file, form, records);
  if (records.count < count) throw new DataError(`${where}: files changed while they were read`);
  const { labels } = records;
  return eagerSource(where, { height: SIDE, width: SIDE, channels: 3, classNames, labels, bytes });
}

/** Class names from a text file, one per line; `fallback` if there is no such file. */
async function readNames(file: string, fallback: readonly string[]): Promise<readonly string[]> {
  if ((await pathKind(file)) !== 'file') return fallback;
  const size = await fileSize(file);
  if (size > MAX_NAMES_BYTES) throw malformed(file, `${size} bytes of class names`);
  const names = new TextDecoder()
    .decode(await readWhole(file))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== fallback.length)
    throw malformed(file, `${names.length} class names, expected ${fallback.length}`);
  return names;
}

/**
 * Options of `readCifar10`; limits apply to the image form, because binary files are as large
 * as their contents.
 */
export interface ReadCifar10Options extends ReadLimits {
  /**
   * Image form only: the class map, as for `readFolder`. Pass the training split's to the test split, so that
   * both number classes alike.
   */
  readonly classNames?: readonly string[];
}

/**
 * Loads a split of CIFAR-10 as [32, 32, 3] samples. `dir` holds, or has a folder `cifar-10-batches-bin` that
 * holds, the binary files `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` (an eager source);
 * otherwise it is read by `readFolder`: `SPLIT/CLASS/*.jpg` or tar files of that, such as
 * `cifar10-train.tar.gz` (a lazy source).
 * @throws DataError for a missing directory or file, a label out of range, or a class folder unknown to
 *   `classNames`; FormatError for files of the wrong length
 */
export async function readCifar10(
  dir: string,
  split: 'train' | 'test',
  options: ReadCifar10Options = {},
): Promise<ImageSource> {
  nonEmptyString('cifar10', 'dir', dir);
  oneOf('cifar10', 'split', split, ['train', 'test']);
  checkKeys('cifar10', options, ['classNames', ...READ_LIMITS]);
  readLimits('cifar10', options);
  await requireDirectory('cifar10', dir);
  const files = CIFAR10_FILES[split];
  const home = await locate(dir, CIFAR10_HOME, files[0] ?? '');
  if (home === undefined) return readCifar10Images(dir, split, options);
  const names = await readNames(join(home, 'batches.meta.txt'), CIFAR10_NAMES);
  return readRecords(
    `cifar10 ${split}`,
    files.map((file) => join(home, file)),
    { labelBytes: 1, labelAt: 0, classes: 10 },
    names,
  );
}

async function readCifar10Images(
  dir: string,
  split: 'train' | 'test',
  options: ReadCifar10Options,
): Promise<ImageSource> {
  const source = await readFolder({ dir, split, channels: 3, ...options });
  const { classNames, height, width } = source;
  if (classNames.length !== 10 || height !== SIDE || width !== SIDE) {
    throw new DataError(
      `cifar10: ${clip(dir)} has ${classNames.length} classes of ${height}x${width} images, expected 10 of ${SIDE}x${SIDE}`,
    );
  }
  return source;
}

/** Options of `readCifar100`. */
export interface ReadCifar100Options {
  /** Which label to use: 100 fine classes (default) or 20 coarse ones. */
  readonly labels?: 'fine' | 'coarse';
}

/**
 * Loads a split of CIFAR-100 as [32, 32, 3] samples from `train.bin` or `test.bin`, in `dir` or its folder
 * `cifar-100-binary`. Class names come from `fine_label_names.txt` or `coarse_label_names.txt` where present,
 * else they are numbers.
 * @throws as `readCifar10`
 */
export async function readCifar100(
  dir: string,
  split: 'train' | 'test',
  options: ReadCifar100Options = {},
): Promise<ImageSource> {
  nonEmptyString('cifar100', 'dir', dir);
  oneOf('cifar100', 'split', split, ['train', 'test']);
  checkKeys('cifar100', options, ['labels']);
  const which = oneOf('cifar100', 'labels', options.labels ?? 'fine', ['fine', 'coarse']);
  await requireDirectory('cifar100', dir);
  const home = await locate(dir, CIFAR100_HOME, `${split}.bin`);
  if (home === undefined) throw new DataError(`cifar100: ${clip(dir)} holds no ${split}.bin`);
  const classes = which === 'fine' ? 100 : 20;
  const names = await readNames(join(home, `${which}_label_names.txt`), numberedClasses(classes));
  const form = { labelBytes: 2, labelAt: which === 'fine' ? 1 : 0, classes };
  return readRecords(`cifar100 ${split}`, [join(home, `${split}.bin`)], form, names);
}
