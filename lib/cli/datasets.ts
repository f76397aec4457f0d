/**
 * The data sets of `--dataset`: how each is opened, which options it takes, and how it is trained
 * on by default.
 */
import * as data from '../data';
import type { Dataset } from '../data';
import { CIFAR100_MARKS, CIFAR10_MARKS } from '../data/cifar';
import { MNIST_MARKS } from '../data/mnist';
import { READ_LIMITS, UNPACK_LIMITS, type ReadLimits } from '../files/limits';
import { DataError } from '../errors';
import { clip } from '../options';
import { openFolder, openFolderSplit, type FolderChoice, type FolderForm } from './folder-splits';
import { named } from './names';
import type { ModelName } from './networks';

interface Entry {
  /** Opens the training split and, where there is one, the test split. @throws as the readers of `data` */
  readonly open: (choice: FolderChoice, signal?: AbortSignal) => Promise<{ train: Dataset; test?: Dataset }>;
  /**
   * Where its samples come from: tenon draws them, or it reads files of the set's own format, or image files
   * of any size.
   */
  readonly from: 'nothing' | 'files' | 'images';
  /** Files of which a directory holds at least one, by which it is recognized. */
  readonly marks: readonly string[];
  /** The limits that can apply to its files. */
  readonly limits: readonly (keyof ReadLimits)[];
  /** The defaults of the options with these names. */
  readonly model: ModelName;
  readonly epochs: number;
  readonly augment: readonly string[];
}

const CIFAR = { from: 'files', model: 'resnet20', epochs: 15, augment: ['flip', 'crop'] } as const;

/** Each data set is listed once. The command line, its help and its checks follow from this list. */
export const DATASETS = named<Entry>()({
  glyphs: {
    open: () => data.glyphs(),
    from: 'nothing',
    marks: [],
    limits: [],
    model: 'lenet',
    epochs: 5,
    augment: [],
  },
  mnist: {
    open: ({ dir, limits }) => data.mnist({ dir, ...limits }),
    from: 'files',
    marks: MNIST_MARKS,
    limits: UNPACK_LIMITS,
    model: 'lenet',
    epochs: 5,
    augment: [],
  },
  cifar10: {
    ...CIFAR,
    open: ({ dir, limits }) => data.cifar10({ dir, ...limits }),
    marks: CIFAR10_MARKS,
    limits: READ_LIMITS,
  },
  cifar100: { ...CIFAR, open: ({ dir }) => data.cifar100({ dir }), marks: CIFAR100_MARKS, limits: [] },
  folder: {
    open: openFolder,
    from: 'images',
    marks: [],
    limits: READ_LIMITS,
    model: 'resnet20',
    epochs: 15,
    // Not flipped: in a set that nobody has described, mirror images may belong to another class
    // (digits, arrows, hands).
    augment: ['crop'],
  },
});

export type DatasetName = keyof typeof DATASETS;

/** The options that decide which samples are read. */
export interface DatasetChoice extends Omit<FolderChoice, 'dir'> {
  readonly dataset: DatasetName;
  readonly data: string | null;
}

/**
 * Opens the training split and, where there is one, the test split.
 * @throws DataError, FormatError as the readers of `data`
 */
export function openSplits(
  { dataset, data: dir, ...choice }: DatasetChoice,
  signal?: AbortSignal,
): Promise<{ train: Dataset; test?: Dataset }> {
  return DATASETS[dataset].open({ ...choice, dir: dir ?? '' }, signal);
}

/** Opens the split to evaluate on. @throws DataError if the data set does not have it */
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
