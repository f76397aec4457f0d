/** Opening the data set that `--dataset`, `--data`, `--image-size` and `--resize` name. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as data from '../data';
import type { Dataset } from '../data';
import type { ResizeRule } from '../data/decode';
import { isArchiveOf } from '../data/folder-scan';
import { fileError, pathKind } from '../data/source';
import { DataError } from '../errors';
import { clip } from '../options';
import type { DatasetName } from './recipe';

/** What decides which samples are read. */
export interface DatasetChoice {
  readonly dataset: DatasetName;
  readonly data: string | null;
  readonly imageSize: number | null;
  readonly resize: ResizeRule | null;
}

/** How a trained model wants the images of a folder. */
export interface FolderForm {
  readonly size: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  readonly classNames?: readonly string[];
  readonly resize?: ResizeRule;
}

/** Names a test split goes by, in order of preference. */
const TEST_SPLITS = ['test', 'val', 'valid', 'validation'] as const;

/** The training split, and the test split where there is one. @throws DataError, FormatError as the readers of `data` */
export async function openSplits(choice: DatasetChoice): Promise<{ train: Dataset; test?: Dataset }> {
  const dir = choice.data ?? '';
  switch (choice.dataset) {
    case 'glyphs':
      return data.glyphs();
    case 'mnist':
      return data.mnist({ dir });
    case 'cifar10':
      return data.cifar10({ dir });
    case 'folder': {
      const train = await data.folder({
        dir,
        split: 'train',
        ...(choice.imageSize !== null && { imageSize: choice.imageSize }),
        ...(choice.resize !== null && { resize: choice.resize }),
      });
      const split = await findTestSplit(dir);
      if (split === undefined) return { train };
      const { inputShape, classNames, resize } = train;
      const imageSize = [inputShape[1] ?? 0, inputShape[2] ?? 0] as const;
      const form = { imageSize, classNames, ...(resize && { resize }) };
      return { train, test: await data.folder({ dir, split, ...form }) };
    }
  }
}

/** The split to evaluate on: `split` of the folder, or the test split. @throws DataError where there is none */
export async function openTestSplit(
  choice: DatasetChoice,
  split: 'train' | 'test',
  form: FolderForm | undefined,
): Promise<Dataset> {
  if (choice.dataset === 'folder' && form !== undefined) {
    const dir = choice.data ?? '';
    const name = split === 'train' ? split : ((await findTestSplit(dir)) ?? 'test');
    const { size, ...rest } = form;
    return data.folder({ dir, split: name, imageSize: size, ...rest });
  }
  const splits = await openSplits(choice);
  const found = splits[split];
  if (found === undefined)
    throw new DataError(`evaluate: ${clip(choice.data ?? choice.dataset)} has no ${split} split`);
  return found;
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
