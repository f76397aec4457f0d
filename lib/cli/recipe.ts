/** What to train and how, for `tenon train`: the options given, and good defaults for the rest. */
import { FormatError } from '../errors';
import { clip, messageOf } from '../options';
import * as check from '../options';
import { LAST_BATCHES, type LastBatch } from '../data/cut';
import { RESIZE_RULES, type ResizeRule } from '../data/decode';
import { ON_ERROR, type OnError } from '../data/folder';
import { READ_LIMITS, readLimits, type ReadLimits } from '../files/limits';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { AUGMENTATIONS, type AugmentationName } from './augmentations';
import { DATASETS, type DatasetName } from './datasets';
import { UsageError } from './exit-codes';
import { namesOf, orList } from './names';
import { NETWORKS, type ModelName } from './networks';
import { OPTIMIZERS, WITH_MOMENTUM, type OptimizerName } from './optimizers';
import { SCHEDULES, type ScheduleName } from './schedules';
import { checkWarmup, epochsOf, type Warmup } from './warmup';

/** Everything that decides what a run computes, and the place of its data. Kept beside the checkpoints as run.json. */
export interface Recipe {
  readonly dataset: DatasetName;
  readonly data: string | null;
  readonly imageSize: number | null;
  /** How images of a folder are brought to their size; null: by the default rule, where there is a size. */
  readonly resize: ResizeRule | null;
  /** What a damaged image of a folder does. */
  readonly onError: OnError;
  /** How much a file of the data set may hold, where that is not the default. */
  readonly limits: ReadLimits;
  readonly model: ModelName;
  readonly epochs: number;
  readonly batchSize: number;
  readonly lastBatch: LastBatch;
  readonly optimizer: OptimizerName;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly schedule: ScheduleName;
  /** How long the learning rate rises first. */
  readonly warmup: Warmup;
  readonly augment: readonly AugmentationName[];
  /** Share of the training split that is held out for validation. */
  readonly validation: number;
  readonly seed: number;
  readonly precision: Precision;
}

/** The options of `tenon train` that make up a recipe, each absent where it was not given. */
export type RecipeFlags = { -readonly [K in keyof Recipe]?: NonNullable<Recipe[K]> };

function defaultLr(model: ModelName, optimizer: OptimizerName): number {
  const { lr, deep = lr, plain = lr } = OPTIMIZERS[optimizer];
  if (!NETWORKS[model].deep) return lr;
  return NETWORKS[model].batchNorm ? deep : plain;
}

/** Deep networks begin with a rate that would throw fresh weights about: it rises through the first epoch, or a fifth of a short run. */
function defaultWarmup(model: ModelName, schedule: ScheduleName, epochs: number): Warmup {
  if (!NETWORKS[model].deep || schedule === 'one-cycle') return 0;
  return epochsOf(Math.min(1, epochs / 5));
}

/**
 * Fills in what was not given.
 * @throws UsageError where options contradict each other or one is missing
 */
export function completeRecipe(flags: RecipeFlags): Recipe {
  const dataset = flags.dataset ?? 'glyphs';
  const model = flags.model ?? DATASETS[dataset].model;
  const optimizer = flags.optimizer ?? (NETWORKS[model].deep ? 'sgd' : 'adam');
  checkDataOptions(dataset, flags);
  const defaults = OPTIMIZERS[optimizer];
  const epochs = flags.epochs ?? DATASETS[dataset].epochs;
  const schedule = flags.schedule ?? 'cosine';
  if (defaults.momentum === undefined && flags.momentum !== undefined) {
    throw new UsageError(
      `--momentum belongs to --optimizer ${WITH_MOMENTUM.join(', ')}; ${optimizer} takes none`,
    );
  }
  return {
    dataset,
    data: flags.data ?? null,
    imageSize: flags.imageSize ?? null,
    resize: flags.resize ?? null,
    onError: flags.onError ?? 'throw',
    limits: flags.limits ?? {},
    model,
    epochs,
    batchSize: flags.batchSize ?? (NETWORKS[model].deep ? 128 : 64),
    lastBatch: flags.lastBatch ?? 'even',
    optimizer,
    lr: flags.lr ?? defaultLr(model, optimizer),
    momentum: flags.momentum ?? defaults.momentum ?? 0,
    weightDecay: flags.weightDecay ?? defaults.weightDecay,
    schedule,
    warmup: flags.warmup ?? defaultWarmup(model, schedule, epochs),
    augment: flags.augment ?? DATASETS[dataset].augment,
    validation: flags.validation ?? 0.05,
    seed: flags.seed ?? 0,
    precision: flags.precision ?? 'fp32',
  };
}

/** Whether a data set needs --data and may take the options of folders. @throws UsageError */
export function checkDataOptions(
  dataset: DatasetName,
  flags: {
    readonly data?: string;
    readonly imageSize?: number;
    readonly resize?: ResizeRule;
    readonly onError?: OnError;
    readonly limits?: ReadLimits;
  },
): void {
  const { from, limits } = DATASETS[dataset];
  const names = namesOf(DATASETS);
  if (from === 'nothing' && flags.data !== undefined) {
    const others = orList(names.filter((name) => DATASETS[name].from !== 'nothing'));
    throw new UsageError(
      `--data: the ${dataset} data set is generated; name another with --dataset ${others}`,
    );
  }
  if (from !== 'nothing' && flags.data === undefined)
    throw new UsageError(`--dataset ${dataset} needs --data DIR, the directory that holds it`);
  if (from !== 'images') {
    const folders = `belongs to --dataset ${names.filter((name) => DATASETS[name].from === 'images').join(', ')}`;
    const oneSize = `images of ${dataset} have one size`;
    if (flags.imageSize !== undefined) throw new UsageError(`--image-size ${folders}; ${oneSize}`);
    if (flags.resize !== undefined) throw new UsageError(`--resize ${folders}; ${oneSize}`);
    if (flags.onError !== undefined)
      throw new UsageError(`--on-error ${folders}; ${dataset} has no image files`);
  }
  if (from === 'nothing' && flags.limits !== undefined)
    throw new UsageError(`--limits: the ${dataset} data set is generated, no file of it is read`);
  const [useless] = READ_LIMITS.filter(
    (limit) => flags.limits?.[limit] !== undefined && !limits.includes(limit),
  );
  if (useless !== undefined) {
    const what = useless === 'maxPixels' ? 'image' : 'compressed';
    throw new UsageError(`--limits ${useless} is for ${what} files; ${dataset} has none`);
  }
}

/**
 * The recipe of a run that goes on: what was kept, with more epochs if asked.
 * @throws UsageError for an option that would make it another run
 */
export function resumedRecipe(kept: Recipe, flags: RecipeFlags): Recipe {
  for (const key of Object.keys(flags) as (keyof Recipe)[]) {
    // How long, and where and how large the same data is now.
    if (key === 'epochs' || key === 'data' || key === 'limits') continue;
    if (JSON.stringify(flags[key]) !== JSON.stringify(kept[key])) {
      const flag = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw new UsageError(
        `--${flag} ${clip(String(flags[key]))}: the run that is resumed was started with ${clip(String(kept[key]))}; leave the option out`,
      );
    }
  }
  const { epochs = kept.epochs, data = kept.data, limits = kept.limits } = flags;
  return { ...kept, epochs, data, limits };
}

/**
 * A recipe read from a file, checked as options are.
 * @throws FormatError naming the file
 */
export function parseRecipe(file: string, json: unknown): Recipe {
  if (typeof json !== 'object' || json === null)
    throw new FormatError(`${clip(file)}: not the recipe of a run`);
  const given = json as Readonly<Record<string, unknown>>;
  try {
    return {
      dataset: check.oneOf(file, 'dataset', given['dataset'], namesOf(DATASETS)),
      data: given['data'] === null ? null : check.nonEmptyString(file, 'data', given['data']),
      imageSize:
        given['imageSize'] === null ? null : check.positiveInteger(file, 'imageSize', given['imageSize']),
      // Absent in runs of versions that always took the default.
      resize:
        (given['resize'] ?? null) === null
          ? null
          : check.oneOf(file, 'resize', given['resize'], RESIZE_RULES),
      // Absent in runs of versions that skipped nothing.
      onError: check.oneOf(file, 'onError', given['onError'] ?? 'throw', ON_ERROR),
      // Absent in runs of versions that had none.
      limits: parseLimits(file, given['limits'] ?? {}),
      model: check.oneOf(file, 'model', given['model'], namesOf(NETWORKS)),
      epochs: check.positiveInteger(file, 'epochs', given['epochs']),
      batchSize: check.positiveInteger(file, 'batchSize', given['batchSize']),
      // Absent in runs of versions that knew this form only.
      lastBatch: check.oneOf(file, 'lastBatch', given['lastBatch'] ?? 'keep', LAST_BATCHES),
      optimizer: check.oneOf(file, 'optimizer', given['optimizer'], namesOf(OPTIMIZERS)),
      lr: check.positive(file, 'lr', given['lr']),
      momentum: check.nonNegative(file, 'momentum', given['momentum']),
      weightDecay: check.nonNegative(file, 'weightDecay', given['weightDecay']),
      schedule: check.oneOf(file, 'schedule', given['schedule'], namesOf(SCHEDULES)),
      // Absent in runs of versions that knew none.
      warmup: checkWarmup(file, 'warmup', given['warmup'] ?? 0),
      augment: list(given['augment']).map((name) =>
        check.oneOf(file, 'augment', name, namesOf(AUGMENTATIONS)),
      ),
      validation: check.probability(file, 'validation', given['validation']),
      seed: check.nonNegativeInteger(file, 'seed', given['seed']),
      // Absent in runs of versions that knew fp32 only.
      precision: check.oneOf(file, 'precision', given['precision'] ?? 'fp32', PRECISIONS),
    };
  } catch (error) {
    throw new FormatError(messageOf(error), { cause: error });
  }
}

function parseLimits(file: string, value: unknown): ReadLimits {
  check.checkKeys(file, value, READ_LIMITS);
  const limits = value as ReadLimits;
  readLimits(file, limits);
  return limits;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
