/** Makers of data sets: `data.mnist`, `data.cifar10`, `data.folder`, `data.glyphs`, `data.fromArrays`, ... */
import { OptionError } from '../errors';
import { checkKeys, nonEmptyString, show } from '../options';
import { READ_LIMITS, UNPACK_LIMITS, type ReadLimits } from '../files/limits';
import { readCifar10, readCifar100, type ReadCifar100Options } from './cifar';
import type { ConcatOptions } from './concat';
import { Dataset } from './dataset';
import type { FromFeaturesOptions } from './features';
import { readFolder, type ReadFolderOptions } from './folder';
import { glyphs as drawGlyphs } from './glyphs';
import {
  fromArrays as sourceOfArrays,
  fromIterable as sourceOfIterable,
  type FromArraysOptions,
  type FromIterableOptions,
  type LabelledImage,
} from './memory';
import { readMnist, type ReadMnistOptions } from './mnist';

export {
  Dataset,
  type DatasetImage,
  type DatasetRows,
  type Fold,
  type SampleInfo,
  type SkippedImage,
  type SplitOptions,
} from './dataset';
export type { ResizeRule } from './decode';
export { weightedRandomSampler, WeightedRandomSampler, type WeightedRandomSamplerOptions } from './sampler';
export { decodeImage as decode, type DecodeOptions, type HasPreprocessing } from './decode-image';
export type { ImageLimits, ReadLimits, UnpackLimits } from '../files/limits';
export type {
  BatchRows,
  ChannelStatistics,
  ImageRecipe,
  Normalization,
  RawBatch,
  Recorded,
  StoredImages,
} from './samples';
export type { Preprocessing } from './preprocessing';
export {
  nearDuplicates,
  type NearDuplicateGroup,
  type NearDuplicates,
  type NearDuplicatesOptions,
} from './near-duplicates';
export type { FoldsOptions } from './units';
export type { SampleOptions } from './select';
export type { ImageSource } from './source';
export type { ViewOptions } from './views';
export type {
  ConcatOptions,
  FromArraysOptions,
  FromFeaturesOptions,
  FromIterableOptions,
  LabelledImage,
  ReadFolderOptions as FolderOptions,
};

/** A set in its two published parts. */
export interface TrainAndTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** Options of `data.mnist`. */
export interface MnistOptions extends ReadMnistOptions {
  /** Directory of the four IDX files, gzipped or not. */
  readonly dir: string;
}

/** MNIST, or a set in its form (Fashion-MNIST, K-MNIST). @throws as `readMnist` */
export async function mnist(options: MnistOptions): Promise<TrainAndTest> {
  checkKeys('mnist', options, ['dir', 'classNames', ...UNPACK_LIMITS]);
  const { dir: given, ...rest } = options ?? {};
  const dir = nonEmptyString('mnist', 'dir', given);
  return pack(await readMnist(dir, 'train', rest), await readMnist(dir, 'test', rest));
}

/** Options of `data.cifar10`. */
export interface Cifar10Options extends ReadLimits {
  /** Directory of the binary files, or of an image folder or its archives. */
  readonly dir: string;
}

/** CIFAR-10, in its binary form or as images. @throws as `readCifar10` */
export async function cifar10(options: Cifar10Options): Promise<TrainAndTest> {
  checkKeys('cifar10', options, ['dir', ...READ_LIMITS]);
  const { dir: given, ...limits } = options ?? {};
  const dir = nonEmptyString('cifar10', 'dir', given);
  const train = await readCifar10(dir, 'train', limits);
  const { classNames } = train;
  return pack(train, await readCifar10(dir, 'test', { ...limits, classNames }));
}

/** Options of `data.cifar100`. */
export interface Cifar100Options extends ReadCifar100Options {
  /** Directory of the binary files. */
  readonly dir: string;
}

/** CIFAR-100 in its binary form. @throws as `readCifar100` */
export async function cifar100(options: Cifar100Options): Promise<TrainAndTest> {
  checkKeys('cifar100', options, ['dir', 'labels']);
  const dir = nonEmptyString('cifar100', 'dir', options?.dir);
  const kind = options.labels === undefined ? {} : { labels: options.labels };
  return pack(await readCifar100(dir, 'train', kind), await readCifar100(dir, 'test', kind));
}

/** Options of `data.glyphs`. */
export interface GlyphsOptions {
  /** Number of training samples. Default 12,000. */
  readonly trainCount?: number;
  /** Number of test samples. Default 2,000. */
  readonly testCount?: number;
  /** Which set to draw. Default 0. */
  readonly seed?: number;
}

/** The embedded set: ten digits drawn with strokes, 28 x 28, no download. @throws OptionError */
export async function glyphs(options: GlyphsOptions = {}): Promise<TrainAndTest> {
  checkKeys('glyphs', options, ['trainCount', 'testCount', 'seed']);
  const { trainCount, testCount } = options;
  const seed = options.seed === undefined ? {} : { seed: options.seed };
  const train = await drawGlyphs('train', {
    ...seed,
    ...(trainCount !== undefined && { count: trainCount }),
  });
  const test = await drawGlyphs('test', { ...seed, ...(testCount !== undefined && { count: testCount }) });
  return pack(train, test);
}

/**
 * One split of an image folder, `DIR/SPLIT/CLASS/*.jpg` (png, jpg, jpeg, webp) or an archive of it: samples
 * are u8 [C, H, W], targets the places of their classes in `classNames`. Its images are decoded as training
 * asks for them, and kept. With `onError: 'skip'` all are decoded now, and the damaged ones left out.
 * @throws as `readFolder`; with 'skip' AbortedError, and DataError where all images are damaged or one has
 *   the wrong size
 */
export async function folder(options: ReadFolderOptions): Promise<Dataset> {
  const source = await readFolder(options);
  return options.onError === 'skip' ? Dataset.ofReadable(source, options) : Dataset.fromSource(source);
}

/** Images in typed arrays. @throws DTypeError, DataError, OptionError */
export async function fromArrays(options: FromArraysOptions): Promise<Dataset> {
  return Dataset.fromSource(sourceOfArrays(options));
}

/** Images from any iterable, read to its end. @throws as `fromArrays`, and what the iterable throws */
export async function fromIterable(
  iterable: Iterable<LabelledImage> | AsyncIterable<LabelledImage>,
  options: FromIterableOptions,
): Promise<Dataset> {
  return Dataset.fromSource(await sourceOfIterable(iterable, options));
}

/** Rows of numbers with class indices or numbers as targets. @throws DTypeError, DataError, OptionError */
export async function fromFeatures(options: FromFeaturesOptions): Promise<Dataset> {
  return Dataset.fromFeatures(options);
}

/**
 * The samples of several sets, one set after the other. Parts of one set share its memory, as other views do.
 * For different sets, the images in memory are copied, and files that are not decoded yet will be decoded
 * into the new set; augmentation draws by place in the new set.
 * @throws OptionError; DataError where sets differ in kind, shape, targets, resize rule or, unless merged,
 *   classes
 */
export async function concat(sets: readonly Dataset[], options: ConcatOptions = {}): Promise<Dataset> {
  if (!Array.isArray(sets) || !sets.every((set) => set instanceof Dataset))
    throw new OptionError(`concat: expected a list of Datasets, got ${show(sets)}`);
  return Dataset.concat(sets, options);
}

async function pack(
  train: Parameters<typeof Dataset.fromSource>[0],
  test: Parameters<typeof Dataset.fromSource>[0],
): Promise<TrainAndTest> {
  return { train: await Dataset.fromSource(train), test: await Dataset.fromSource(test) };
}
