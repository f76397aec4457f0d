/** The splits of an image folder, as `--dataset folder` reads them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as data from '../data';
import type { Dataset } from '../data';
import type { Keep, ResizeRule } from '../data/decode';
import { readFolder, type OnError } from '../data/folder';
import { isArchiveOf } from '../data/folder-scan';
import type { ReadLimits } from '../files/limits';
import { fileError } from '../files/errors';
import { pathKind } from '../files/read';

/** What the options say about the images of a folder; null if they say nothing. */
export interface FolderChoice {
  readonly dir: string;
  readonly imageSize: number | null;
  readonly resize: ResizeRule | null;
  /** The longest short side of images that keep their own proportions. */
  readonly keep?: number | null;
  readonly onError: OnError;
  readonly limits: ReadLimits;
}

/** The form in which a trained model takes the images. */
export interface FolderForm {
  readonly size: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  readonly classNames?: readonly string[];
  readonly resize?: ResizeRule;
  readonly keep?: Keep;
}

/** Names of test splits, in order of preference. */
const TEST_SPLITS = ['test', 'val', 'valid', 'validation'] as const;

/** Opens the training split and, where there is one, the test split. @throws as `data.folder` */
export async function openFolder(
  { dir, onError, limits, imageSize, resize, keep: shortSide }: FolderChoice,
  signal?: AbortSignal,
): Promise<{ train: Dataset; test?: Dataset }> {
  const keep = shortSide == null ? {} : { keep: { shortSide } };
  const common = { dir, onError, ...keep, ...limits, ...(signal && { signal }) };
  const train = await data.folder({
    ...common,
    split: 'train',
    ...(imageSize !== null && { imageSize }),
    ...(resize !== null && { resize }),
  });
  const split = await findTestSplit(dir);
  if (split === undefined) return { train };
  const [, height = 0, width = 0] = train.inputShape;
  const { classNames, resize: rule } = train;
  const form = { imageSize: [height, width] as const, classNames, ...(rule && { resize: rule }) };
  return { train, test: await data.folder({ ...common, split, ...form }) };
}

/** Opens one split with its images in the form that a model was trained with. @throws as `data.folder` */
export async function openFolderSplit(
  { dir, onError, limits }: FolderChoice,
  split: 'train' | 'test',
  { size, ...form }: FolderForm,
  signal?: AbortSignal,
): Promise<Dataset> {
  const name = split === 'train' ? split : ((await findTestSplit(dir)) ?? 'test');
  const where = { dir, split: name, imageSize: size, onError, ...limits };
  return data.folder({ ...where, ...form, ...(signal && { signal }) });
}

/**
 * The side to use if none is given. It is `side` if the first image is larger: such images are usually
 * photographs, which rarely all have the same size. Otherwise it is null, and images keep their size.
 */
export async function sideFor(
  { dir, onError, limits }: Omit<FolderChoice, 'imageSize' | 'resize'>,
  side: number,
  signal?: AbortSignal,
): Promise<number | null> {
  // Not data.folder: it takes memory for all images, which may not fit at their own size.
  const options = { dir, split: 'train', onError, ...limits, ...(signal && { signal }) };
  const { height, width } = await readFolder(options);
  return Math.max(height, width) > side ? side : null;
}

/** The splits that there are; undefined stands for a folder, or an archive, that holds the classes itself. */
export async function splitsOf(dir: string): Promise<readonly (string | undefined)[]> {
  if ((await pathKind(dir)) !== 'directory') return [undefined];
  const names = await namesIn(dir);
  const found: string[] = [];
  for (const split of ['train', ...TEST_SPLITS]) if (await holdsSplit(dir, names, split)) found.push(split);
  return found.length > 0 ? found : [undefined];
}

/** The name of a folder's test split; undefined if it has none or `dir` is an archive. */
async function findTestSplit(dir: string): Promise<string | undefined> {
  if ((await pathKind(dir)) !== 'directory') return undefined;
  const names = await namesIn(dir);
  for (const split of TEST_SPLITS) if (await holdsSplit(dir, names, split)) return split;
  return undefined;
}

function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: unknown) => {
    throw fileError('directory', dir, error);
  });
}

async function holdsSplit(dir: string, names: readonly string[], split: string): Promise<boolean> {
  const folder = (await pathKind(join(dir, split))) === 'directory';
  return folder || names.some((name) => isArchiveOf(name, split));
}
