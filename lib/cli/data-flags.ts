/**
 * Options that choose the data, for every command that opens data sets, and which of them belong to
 * which data set.
 */
import { RESIZE_RULES } from '../data/decode';
import { ON_ERROR } from '../data/folder';
import { READ_LIMITS, type ReadLimits } from '../files/limits';
import { nonEmptyString, oneOf, positiveInteger } from '../settings';
import { DATASETS, type DatasetName } from './datasets';
import { UsageError } from './exit-codes';
import { flag, limitsFlag, orNull, spelled, type Flag } from './flags';
import { namesOf, orList } from './names';

/** What the checks of these options need to know. */
export interface KnownData {
  readonly dataset: DatasetName;
}

/**
 * A setting that may contradict others. `conflict` says what is wrong with the given value, or with a
 * missing one (undefined).
 */
export interface MayConflict<K> extends Flag {
  conflict?(given: unknown, known: K, spelling: string): string | undefined;
}

/** @throws UsageError if options contradict each other or one is missing */
export function checkConflicts<K>(
  settings: Readonly<Record<string, MayConflict<K>>>,
  given: object,
  known: K,
): void {
  const values = given as Readonly<Record<string, unknown>>;
  for (const [name, setting] of Object.entries(settings)) {
    const problem = setting.conflict?.(values[name] ?? undefined, known, spelled(name));
    if (problem !== undefined) throw new UsageError(problem);
  }
}

const names = namesOf(DATASETS);
const inFiles = orList(names.filter((name) => DATASETS[name].from !== 'nothing'));
const ofImages = names.filter((name) => DATASETS[name].from === 'images').join(', ');

/** Refuses an option that only data sets of image files take. */
function imagesOnly(why: (dataset: DatasetName) => string) {
  return (given: unknown, { dataset }: KnownData, spelling: string): string | undefined =>
    given === undefined || DATASETS[dataset].from === 'images'
      ? undefined
      : `${spelling} belongs to --dataset ${ofImages}; ${why(dataset)}`;
}

const oneSize = (dataset: DatasetName): string => `images of ${dataset} have one size`;

export const DATA_FLAGS = {
  dataset: flag('name', oneOf(names)('data set', { default: 'glyphs' }), {
    note: 'the one that --data holds; without --data glyphs, which is embedded',
  }),
  data: flag('dir', orNull(nonEmptyString)(`where ${inFiles} is`, { default: null }), {
    conflict: missingOrUseless,
    mayChange: true,
  }),
  imageSize: flag('n', orNull(positiveInteger)('folder: side of the images', { default: null }), {
    note: 'that of the first, but at most 64, or 224 for networks made for ImageNet',
    conflict: imagesOnly(oneSize),
  }),
  /** Null: the default rule, if the images have a size to be brought to. */
  resize: flag(
    'rule',
    // Absent in runs of versions that always used the default.
    orNull(oneOf(RESIZE_RULES))('folder: the rule that resizes images to that size', {
      default: null,
      absent: null,
    }),
    { note: 'cover', conflict: imagesOnly(oneSize) },
  ),
  keep: flag(
    'n',
    // Absent in runs of versions that kept all images at one size.
    orNull(positiveInteger)(
      'folder: keeps images at their own proportions, with a short side of at most n pixels, for randomScaleCrop(size) and randomResizedCrop(size) at the head of --augment',
      { default: null, absent: null },
    ),
    { conflict: imagesOnly(oneSize) },
  ),
  onError: flag(
    'what',
    oneOf(ON_ERROR)(
      'folder: whether a damaged image ends the run or is left out; skip decodes all images at the start',
      // Absent in runs of versions that skipped nothing.
      { default: 'throw', absent: 'throw' },
    ),
    { conflict: imagesOnly((dataset) => `${dataset} has no image files`) },
  ),
  limits: { ...limitsFlag(READ_LIMITS), conflict: uselessLimits, mayChange: true },
};

function missingOrUseless(given: unknown, { dataset }: KnownData): string | undefined {
  const needed = DATASETS[dataset].from !== 'nothing';
  if (needed === (given !== undefined)) return undefined;
  return needed
    ? `--dataset ${dataset} needs --data DIR, the directory that holds it`
    : `--data: the ${dataset} data set is generated; name another with --dataset ${inFiles}`;
}

function uselessLimits(given: ReadLimits | undefined, { dataset }: KnownData): string | undefined {
  if (given === undefined) return undefined;
  const { from, limits } = DATASETS[dataset];
  if (from === 'nothing') return `--limits: the ${dataset} data set is generated; no file is read`;
  const useless = READ_LIMITS.find((limit) => given[limit] !== undefined && !limits.includes(limit));
  if (useless === undefined) return undefined;
  const what = useless === 'maxPixels' ? 'image' : 'compressed';
  return `--limits ${useless} is for ${what} files; ${dataset} has none`;
}
