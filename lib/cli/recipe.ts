/** What to train and how, for `tenon train`: the options given, and good defaults for the rest. */
import { FormatError } from '../errors';
import { clip, messageOf } from '../options';
import * as check from '../options';
import { LAST_BATCHES, type LastBatch } from '../data/cut';
import { RESIZE_RULES, type ResizeRule } from '../data/decode';
import { ON_ERROR, type OnError } from '../data/folder';
import { READ_LIMITS, readLimits, type ReadLimits } from '../files/limits';
import { PRECISIONS, type Precision } from '../tensor/dtype';
import { UsageError } from './exit-codes';
import { checkWarmup, epochsOf, type Warmup } from './warmup';

export const DATASETS = ['glyphs', 'mnist', 'cifar10', 'folder'] as const;
export const MODELS = [
  ...(['mlp', 'lenet5', 'lenet', 'vggs', 'resnet20'] as const),
  ...(['cifar_resnet20', 'cifar_resnet32', 'cifar_resnet44', 'cifar_resnet56', 'cifar_resnet110'] as const),
  ...([
    'alexnet',
    'vgg11',
    'vgg13',
    'vgg16',
    'vgg19',
    'vgg11_bn',
    'vgg13_bn',
    'vgg16_bn',
    'vgg19_bn',
  ] as const),
  ...(['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'] as const),
] as const;
export const OPTIMIZERS = ['sgd', 'adagrad', 'rmsprop', 'adam', 'adamw', 'nadam', 'lars', 'lamb'] as const;
export const SCHEDULES = [
  'constant',
  'step',
  'exponential',
  'inverse',
  'inverse-sqrt',
  'cosine',
  'linear',
  'polynomial',
  'warm-restarts',
  'one-cycle',
  'plateau',
] as const;
export const AUGMENTATIONS = ['flip', 'crop'] as const;

export type DatasetName = (typeof DATASETS)[number];
export type ModelName = (typeof MODELS)[number];
export type OptimizerName = (typeof OPTIMIZERS)[number];
export type ScheduleName = (typeof SCHEDULES)[number];
export type Augmentation = (typeof AUGMENTATIONS)[number];

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
  readonly augment: readonly Augmentation[];
  /** Share of the training split that is held out for validation. */
  readonly validation: number;
  readonly seed: number;
  readonly precision: Precision;
}

/** The options of `tenon train` that make up a recipe, each absent where it was not given. */
export type RecipeFlags = { -readonly [K in keyof Recipe]?: NonNullable<Recipe[K]> };

const DEFAULT_MODEL: Readonly<Record<DatasetName, ModelName>> = {
  glyphs: 'lenet',
  mnist: 'lenet',
  cifar10: 'resnet20',
  folder: 'resnet20',
};
const DEFAULT_EPOCHS: Readonly<Record<DatasetName, number>> = {
  glyphs: 5,
  mnist: 5,
  cifar10: 15,
  folder: 15,
};

/** Deep networks like SGD, the small ones Adam. */
function isDeep(model: ModelName): boolean {
  return !['mlp', 'lenet5', 'lenet'].includes(model);
}

/** What each optimizer begins with; `deep` where deep networks with batch norm take another rate, `plain` where those without do. Optimizers without momentum take none. */
const DEFAULTS: Readonly<
  Record<OptimizerName, { lr: number; deep?: number; plain?: number; momentum?: number; weightDecay: number }>
> = {
  sgd: { lr: 0.02, deep: 0.1, plain: 0.01, momentum: 0.9, weightDecay: 5e-4 },
  adagrad: { lr: 0.01, weightDecay: 0 },
  rmsprop: { lr: 0.001, momentum: 0, weightDecay: 0 },
  adam: { lr: 0.001, weightDecay: 0 },
  adamw: { lr: 0.001, weightDecay: 0.01 },
  nadam: { lr: 0.002, weightDecay: 0 },
  lars: { lr: 1, momentum: 0.9, weightDecay: 5e-4 },
  lamb: { lr: 0.002, weightDecay: 0.01 },
};

/** Optimizers that take --momentum. */
const withMomentum = OPTIMIZERS.filter((name) => DEFAULTS[name].momentum !== undefined);

function defaultLr(model: ModelName, optimizer: OptimizerName): number {
  const { lr, deep = lr, plain = lr } = DEFAULTS[optimizer];
  if (!isDeep(model)) return lr;
  return model === 'alexnet' || /^vgg\d+$/.test(model) ? plain : deep;
}

/** The side that larger images of a folder are scaled to where none is given: what the network was made for, or a good deal more. */
export function defaultSide(model: ModelName): number {
  return /^(alexnet|vgg\d|resnet(18|34|50|101|152)$)/.test(model) ? 224 : 64;
}

/** Mirror images are of the same class in CIFAR-10. In a set that nobody has described they may be of another: digits, arrows, hands. */
function defaultAugment(dataset: DatasetName): readonly Augmentation[] {
  if (dataset === 'cifar10') return ['flip', 'crop'];
  return dataset === 'folder' ? ['crop'] : [];
}

/** Deep networks begin with a rate that would throw fresh weights about: it rises through the first epoch, or a fifth of a short run. */
function defaultWarmup(model: ModelName, schedule: ScheduleName, epochs: number): Warmup {
  if (!isDeep(model) || schedule === 'one-cycle') return 0;
  return epochsOf(Math.min(1, epochs / 5));
}

/**
 * Fills in what was not given.
 * @throws UsageError where options contradict each other or one is missing
 */
export function completeRecipe(flags: RecipeFlags): Recipe {
  const dataset = flags.dataset ?? 'glyphs';
  const model = flags.model ?? DEFAULT_MODEL[dataset];
  const optimizer = flags.optimizer ?? (isDeep(model) ? 'sgd' : 'adam');
  checkDataOptions(dataset, flags);
  const defaults = DEFAULTS[optimizer];
  const epochs = flags.epochs ?? DEFAULT_EPOCHS[dataset];
  const schedule = flags.schedule ?? 'cosine';
  if (defaults.momentum === undefined && flags.momentum !== undefined) {
    throw new UsageError(
      `--momentum belongs to --optimizer ${withMomentum.join(', ')}; ${optimizer} takes none`,
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
    batchSize: flags.batchSize ?? (isDeep(model) ? 128 : 64),
    lastBatch: flags.lastBatch ?? 'even',
    optimizer,
    lr: flags.lr ?? defaultLr(model, optimizer),
    momentum: flags.momentum ?? defaults.momentum ?? 0,
    weightDecay: flags.weightDecay ?? defaults.weightDecay,
    schedule,
    warmup: flags.warmup ?? defaultWarmup(model, schedule, epochs),
    augment: flags.augment ?? defaultAugment(dataset),
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
  if (dataset === 'glyphs' && flags.data !== undefined) {
    throw new UsageError(
      '--data: the glyphs data set is generated; name another with --dataset mnist, cifar10 or folder',
    );
  }
  if (dataset !== 'glyphs' && flags.data === undefined) {
    throw new UsageError(`--dataset ${dataset} needs --data DIR, the directory that holds it`);
  }
  if (dataset !== 'folder' && flags.imageSize !== undefined) {
    throw new UsageError(`--image-size belongs to --dataset folder; images of ${dataset} have one size`);
  }
  if (dataset !== 'folder' && flags.resize !== undefined) {
    throw new UsageError(`--resize belongs to --dataset folder; images of ${dataset} have one size`);
  }
  if (dataset !== 'folder' && flags.onError !== undefined) {
    throw new UsageError(`--on-error belongs to --dataset folder; ${dataset} has no image files`);
  }
  if (dataset === 'glyphs' && flags.limits !== undefined)
    throw new UsageError('--limits: the glyphs data set is generated, no file of it is read');
  if (dataset === 'mnist' && flags.limits?.maxPixels !== undefined)
    throw new UsageError('--limits maxPixels is for image files; mnist has none');
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
      dataset: check.oneOf(file, 'dataset', given['dataset'], DATASETS),
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
      model: check.oneOf(file, 'model', given['model'], MODELS),
      epochs: check.positiveInteger(file, 'epochs', given['epochs']),
      batchSize: check.positiveInteger(file, 'batchSize', given['batchSize']),
      // Absent in runs of versions that knew this form only.
      lastBatch: check.oneOf(file, 'lastBatch', given['lastBatch'] ?? 'keep', LAST_BATCHES),
      optimizer: check.oneOf(file, 'optimizer', given['optimizer'], OPTIMIZERS),
      lr: check.positive(file, 'lr', given['lr']),
      momentum: check.nonNegative(file, 'momentum', given['momentum']),
      weightDecay: check.nonNegative(file, 'weightDecay', given['weightDecay']),
      schedule: check.oneOf(file, 'schedule', given['schedule'], SCHEDULES),
      // Absent in runs of versions that knew none.
      warmup: checkWarmup(file, 'warmup', given['warmup'] ?? 0),
      augment: list(given['augment']).map((name) => check.oneOf(file, 'augment', name, AUGMENTATIONS)),
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
