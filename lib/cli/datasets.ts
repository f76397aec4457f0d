/** The data sets of `--dataset`: how each is opened, which options it takes, and how it is trained on where nothing is said. */
import * as data from '../data';
import type { Dataset } from '../data';
import { READ_LIMITS, UNPACK_LIMITS, type ReadLimits } from '../files/limits';
import { DataError } from '../errors';
import { clip } from '../options';
import type { AugmentationName } from './augmentations';
import { openFolder, openFolderSplit, type FolderChoice, type FolderForm } from './folder-splits';
import { named } from './names';
import type { ModelName } from './networks';

interface Entry {
  /** The training split, and the test split where there is one. @throws as the readers of `data` */
  readonly open: (choice: FolderChoice, signal?: AbortSignal) => Promise<{ train: Dataset; test?: Dataset }>;
  /** How its samples come: drawn by tenon, from files of its own form, or from image files of any size. */
  readonly from: 'nothing' | 'files' | 'images';
  /** The limits that its files can meet. */
  readonly limits: readonly (keyof ReadLimits)[];
  /** Defaults of the options of these names. */
  readonly model: ModelName;
  readonly epochs: number;
  readonly augment: readonly AugmentationName[];
}

const CIFAR = { from: 'files', model: 'resnet20', epochs: 15, augment: ['flip', 'crop'] } as const;

/** Each is listed once: the command line, its help and its checks follow. */
export const DATASETS = named<Entry>()({
  glyphs: {
    open: () => data.glyphs(),
    from: 'nothing',
    limits: [],
    model: 'lenet',
    epochs: 5,
    augment: [],
  },
  mnist: {
    open: ({ dir, limits }) => data.mnist({ dir, ...limits }),
    from: 'files',
    limits: UNPACK_LIMITS,
    model: 'lenet',
    epochs: 5,
    augment: [],
  },
  cifar10: { ...CIFAR, open: ({ dir, limits }) => data.cifar10({ dir, ...limits }), limits: READ_LIMITS },
  cifar100: { ...CIFAR, open: ({ dir }) => data.cifar100({ dir }), limits: [] },
  folder: {
    open: openFolder,
    from: 'images',
    limits: READ_LIMITS,
    model: 'resnet20',
    epochs: 15,
    // Mirror images may be of another class in a set that nobody has described: digits, arrows, hands.
    augment: ['crop'],
  },
});

export type DatasetName = keyof typeof DATASETS;

/** What decides which samples are read. */
export interface DatasetChoice extends Omit<FolderChoice, 'dir'> {
  readonly dataset: DatasetName;
  readonly data: string | null;
}

/** The training split, and the test split where there is one. @throws DataError, FormatError as the readers of `data` */
export function openSplits(
  { dataset, data: dir, ...choice }: DatasetChoice,
  signal?: AbortSignal,
): Promise<{ train: Dataset; test?: Dataset }> {
  return DATASETS[dataset].open({ ...choice, dir: dir ?? '' }, signal);
}

/** The split to evaluate on: `split` of the folder, or the test split. @throws DataError where there is none */
export async function openTestSplit(
  choice: DatasetChoice,
  split: 'train' | 'test',
  form: FolderForm,
  signal?: AbortSignal,
): Promise<Dataset> {
  if (DATASETS[choice.dataset].from === 'images')
    return openFolderSplit({ ...choice, dir: choice.data ?? '' }, split, form, signal);
  const found = (await openSplits(choice, signal))[split];
  if (found === undefined)
    throw new DataError(`evaluate: ${clip(choice.data ?? choice.dataset)} has no ${split} split`);
  return found;
}
