/** Opening the data set that `--dataset`, `--data`, `--image-size`, `--resize`, `--on-error` and `--limits` name. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as data from '../data';
import type { Dataset } from '../data';
import type { ResizeRule } from '../data/decode';
import { readFolder, type OnError } from '../data/folder';
import { isArchiveOf } from '../data/folder-scan';
import type { ReadLimits } from '../files/limits';
import { fileError } from '../files/errors';
import { pathKind } from '../files/read';
import { DataError } from '../errors';
import { clip } from '../options';
import type { DatasetName } from './recipe';
import type { Session } from './session';

/** What decides which samples are read. */
export interface DatasetChoice {
  readonly dataset: DatasetName;
  readonly data: string | null;
  readonly imageSize: number | null;
  readonly resize: ResizeRule | null;
  readonly onError: OnError;
  readonly limits: ReadLimits;
}

/** How a trained model wants the images of a folder. */
export interface FolderForm {
  readonly size: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  readonly classNames?: readonly string[];
  readonly resize?: ResizeRule;
}

/** Skipped images that a warning names. */
const SKIPPED_SHOWN = 5;

/** Names a test split goes by, in order of preference. */
const TEST_SPLITS = ['test', 'val', 'valid', 'validation'] as const;

/** The training split, and the test split where there is one. @throws DataError, FormatError as the readers of `data` */
export async function openSplits(
  choice: DatasetChoice,
  signal?: AbortSignal,
): Promise<{ train: Dataset; test?: Dataset }> {
  const dir = choice.data ?? '';
  const { onError, limits } = choice;
  switch (choice.dataset) {
    case 'glyphs':
      return data.glyphs();
    case 'mnist':
      return data.mnist({ dir, ...limits });
    case 'cifar10':
      return data.cifar10({ dir, ...limits });
    case 'folder': {
      const train = await data.folder({
        dir,
        split: 'train',
        onError,
        ...limits,
        ...(signal && { signal }),
        ...(choice.imageSize !== null && { imageSize: choice.imageSize }),
        ...(choice.resize !== null && { resize: choice.resize }),
      });
      const split = await findTestSplit(dir);
      if (split === undefined) return { train };
      const { inputShape, classNames, resize } = train;
      const imageSize = [inputShape[1] ?? 0, inputShape[2] ?? 0] as const;
      const form = { imageSize, classNames, onError, ...(resize && { resize }), ...(signal && { signal }) };
      return { train, test: await data.folder({ dir, split, ...form, ...limits }) };
    }
  }
}

/**
 * The side of a folder's images where none is given: `side` where the first one is larger, as photographs are, which rarely have one size;
 * else null, their own size.
 */
export async function imageSizeFor(
  choice: DatasetChoice,
  side: number,
  signal?: AbortSignal,
): Promise<number | null> {
  const { dataset, data: dir, imageSize, onError, limits } = choice;
  if (dataset !== 'folder' || imageSize !== null) return imageSize;
  // Not data.folder: that takes memory for all images, which at their own size may be more than there is.
  const options = { dir: dir ?? '', split: 'train', onError, ...limits, ...(signal && { signal }) };
  const { height, width } = await readFolder(options);
  return Math.max(height, width) > side ? side : null;
}

/** The split to evaluate on: `split` of the folder, or the test split. @throws DataError where there is none */
export async function openTestSplit(
  choice: DatasetChoice,
  split: 'train' | 'test',
  form: FolderForm | undefined,
  signal?: AbortSignal,
): Promise<Dataset> {
  if (choice.dataset === 'folder' && form !== undefined) {
    const dir = choice.data ?? '';
    const name = split === 'train' ? split : ((await findTestSplit(dir)) ?? 'test');
    const { size, ...rest } = form;
    const { onError, limits } = choice;
    const where = { dir, split: name, imageSize: size, onError, ...limits };
    return data.folder({ ...where, ...rest, ...(signal && { signal }) });
  }
  const splits = await openSplits(choice, signal);
  const found = splits[split];
  if (found === undefined)
    throw new DataError(`evaluate: ${clip(choice.data ?? choice.dataset)} has no ${split} split`);
  return found;
}

/** Tells a person which images a split does without. */
export function reportSkipped({ output }: Session, split: string, { skipped }: Dataset): void {
  if (skipped.length === 0) return;
  const shown = skipped
    .slice(0, SKIPPED_SHOWN)
    .map(({ file, reason }) => `${clip(file)} (${oneLine(reason)})`);
  if (skipped.length > SKIPPED_SHOWN) shown.push(`and ${skipped.length - SKIPPED_SHOWN} more`);
  const images = skipped.length === 1 ? 'image' : 'images';
  output.warning(`skipped ${skipped.length} damaged ${images} of ${split}: ${shown.join('; ')}`);
}

/** The same for a program. */
export function skippedFields({ skipped }: Dataset): { readonly file: string; readonly reason: string }[] {
  return skipped.map(({ file, reason }) => ({ file, reason }));
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}

/** The split of a folder that plays the part of a test split; undefined where there is none, or `dir` is an archive. */
async function findTestSplit(dir: string): Promise<string | undefined> {
  if ((await pathKind(dir)) !== 'directory') return undefined;
  const names = await readdir(dir).catch((error: unknown) => {
    throw fileError('directory', dir, error);
  });
  for (const split of TEST_SPLITS) {
    if ((await pathKind(join(dir, split))) === 'directory') return split;
    if (names.some((name) => isArchiveOf(name, split))) return split;
  }
  return undefined;
}
