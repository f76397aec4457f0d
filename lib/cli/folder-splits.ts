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
    ...(await trainSplit(dir)),
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
  const named = split === 'train' ? await trainSplit(dir) : { split: (await findTestSplit(dir)) ?? 'test' };
  const where = { dir, ...named, imageSize: size, onError, ...limits };
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
  const options = { dir, ...(await trainSplit(dir)), onError, ...limits, ...(signal && { signal }) };
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

/** The split to train on: 'train', or none where the folders of the classes are in `dir` itself. */
async function trainSplit(dir: string): Promise<{ readonly split?: string }> {
  if ((await pathKind(dir)) !== 'directory') return { split: 'train' };
  const [first] = await splitsOf(dir);
  return first === undefined && (await holdsClasses(dir)) ? {} : { split: 'train' };
}

/** Whether the folders in `dir` hold files, as those of classes do. Splits under other names hold folders. */
async function holdsClasses(dir: string): Promise<boolean> {
  const entries = await readdir(dir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  const inside = await Promise.all(
    folders.map(({ name }) => readdir(join(dir, name), { withFileTypes: true })),
  );
  return folders.length > 0 && inside.every((files) => files.some((entry) => entry.isFile()));
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
