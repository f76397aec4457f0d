/** What `tenon train` trains and how: each setting is declared once here, and the rest follows from it. */
import { LAST_BATCHES } from '../data/cut';
import { FormatError } from '../errors';
import { optimizers, type OptimizerName } from '../optim';
import { clip, messageOf } from '../options';
import {
  bool,
  kind,
  nonEmptyString,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positive,
  positiveInteger,
  probability,
  type OptionsOf,
  type Setting,
} from '../settings';
import { augmentationHelp, augmentationList, parseAugmentations } from './augmentations';
import { checkConflicts, DATA_FLAGS, type KnownData, type MayConflict } from './data-flags';
import { DATASETS } from './datasets';
import { UsageError } from './exit-codes';
import { STOPPING_FLAGS, type KnownStopping } from './early-stopping-flags';
import { flag, FREEZE, orNull, PRECISION, spelled, VIEWS, type Flag } from './flags';
import { LOSS_FLAGS, type KnownLoss } from './loss-flags';
import { MIXING_FLAGS } from './mixing-flags';
import { namesOf } from './names';
import { NETWORKS, type ModelName } from './networks';
import { defaultLr, momentumHelp, WITH_MOMENTUM } from './optimizers';
import { REGULARIZATION_FLAGS } from './regularization-flags';
import { isEnlarged, type Scaling } from './scaling';
import { SCHEDULES, type ScheduleName } from './schedules';
import { checkWarmup, epochsOf, type Warmup } from './warmup';

/** What defaults and checks need to know. */
export interface Known extends KnownData, KnownLoss, KnownStopping, Scaling {
  readonly fromStudy: string | null;
  readonly keep: number | null;
  readonly model: ModelName;
  readonly pretrained: string | null;
  readonly epochs: number;
  readonly optimizer: OptimizerName;
  readonly schedule: ScheduleName;
  readonly freeze: readonly string[];
  readonly shards: number;
}

/**
 * A setting whose default depends on others. `note` says on which; `choose` sees the settings
 * declared before it.
 */
function chosen<T, More extends object>(
  take: string,
  setting: Setting<T, T, 'optional'>,
  more: { readonly note: string; readonly choose: (known: Known) => T } & More,
) {
  return flag(take, setting, more);
}

const optional = { optional: true } as const;

/** Views in validation and in the test at the end. */
function ofValidation<V extends Flag>(views: V) {
  return {
    ...views,
    doc: `validation and test: ${views.doc}`,
    conflict: (given: unknown, { dataset, keep }: Pick<Known, 'dataset' | 'keep'>, spelling: string) =>
      given === undefined || keep !== null || DATASETS[dataset].from !== 'images'
        ? undefined
        : `${spelling} cuts windows out of images that are larger than the windows: --dataset ${dataset} keeps them with --keep N`,
  };
}

/**
 * Everything that decides what a run computes, and where its data is, in the order in which defaults are
 * filled in. From here follow the flags and their help, the recipe, run.json and its check, and what may
 * change when a run is resumed.
 */
export const SETTINGS = {
  // Both absent in runs of versions without studies.
  fromStudy: flag(
    'study',
    orNull(nonEmptyString)(
      'takes the settings of the best trial of a study of tenon tune: its folder, or postgres://host/database#log',
      {
        default: null,
        absent: null,
      },
    ),
  ),
  trial: flag(
    'n',
    orNull(nonNegativeInteger)('--from-study: those of another trial', { default: null, absent: null }),
    {
      note: 'the best',
      conflict: (given: unknown, { fromStudy }: Pick<Known, 'fromStudy'>) =>
        given === undefined || fromStudy !== null ? undefined : '--trial belongs to --from-study',
    },
  ),
  ...DATA_FLAGS,
  /** Share of the training split that is held out for validation. */
  validation: flag(
    'share',
    probability('share of the training split held out for validation', { default: 0.05 }),
  ),
  testTimeAugment: ofValidation(VIEWS.testTimeAugment),
  scales: ofValidation(VIEWS.scales),
  augment: chosen('list', augmentationList(augmentationHelp(), optional), {
    note: 'by data set',
    choose: ({ dataset }) => DATASETS[dataset].augment,
    parse: parseAugmentations,
  }),
  ...MIXING_FLAGS,
  model: chosen('name', oneOf(namesOf(NETWORKS))('network', optional), {
    note: 'by data set',
    choose: ({ dataset }) => DATASETS[dataset].model,
  }),
  pretrained: flag(
    'file',
    // Absent, as --freeze is, in runs of versions without it.
    orNull(nonEmptyString)('weights to begin with, of a network of the same kind', {
      default: null,
      absent: null,
    }),
    { note: 'drawn from the seed' },
  ),
  freeze: FREEZE,
  unfreezeEvery: flag(
    'epochs',
    orNull(positiveInteger)('train the head first, and a layer more from the top after this many epochs', {
      default: null,
      absent: null,
    }),
    {
      note: 'all layers at once',
      conflict: (given: unknown, { freeze }: Pick<Known, 'freeze'>) =>
        given === undefined || freeze.length === 0
          ? undefined
          : '--unfreeze-every trains all layers in the end, --freeze leaves some as they are: choose one',
    },
  ),
  layerDecay: flag(
    'x',
    positive('learning rate of each layer, as a share of that of the layer above it', {
      default: 1,
      absent: 1,
    }),
  ),
  epochs: chosen('n', positiveInteger('passes over the training split', optional), {
    note: 'by data set',
    choose: ({ dataset }) => DATASETS[dataset].epochs,
    mayChange: true,
  }),
  batchSize: chosen('n', positiveInteger('examples per step', optional), {
    note: 'by model',
    choose: ({ model }) => (NETWORKS[model].deep ? 128 : 64),
  }),
  lastBatch: flag(
    'how',
    // Absent in runs of versions that had only `keep`.
    oneOf(LAST_BATCHES)('what happens to examples that do not fill a batch', {
      default: 'even',
      absent: 'keep',
    }),
  ),
  sampler: flag(
    'how',
    // Absent in runs of versions that always took each example once.
    orNull(oneOf(['balanced']))('draws examples with replacement: each class as often as any other', {
      default: null,
      absent: null,
    }),
    { note: 'each example once in an epoch' },
  ),
  shards: flag(
    'n',
    // Absent in runs of versions that computed each batch in one part.
    positiveInteger('parts that each batch is computed in, by the ranks of a job', { default: 1, absent: 1 }),
    { note: 'one a rank' },
  ),
  syncBatchNorm: {
    // Absent in runs of versions without it.
    ...bool('batch norm takes its statistics of all parts of a batch, not of each by itself', {
      default: false,
      absent: false,
    }),
    conflict: (given: unknown, { shards, model }: Pick<Known, 'shards' | 'model'>) => {
      if (given !== true) return undefined;
      if (!NETWORKS[model].batchNorm) return `--sync-batch-norm: --model ${model} has no batch norm`;
      return shards > 1
        ? undefined
        : '--sync-batch-norm is for batches in several parts: --shards N, or the ranks of a job';
    },
  },
  optimizer: chosen('name', oneOf(namesOf(optimizers))('optimizer', optional), {
    note: 'by model',
    choose: ({ model }) => (NETWORKS[model].deep ? 'sgd' : 'adam'),
  }),
  lr: chosen('x', positive('learning rate', optional), {
    note: 'by model and optimizer; a tenth of that with --pretrained',
    choose: ({ model, optimizer, pretrained }) => defaultLr(NETWORKS[model], optimizer, pretrained !== null),
  }),
  lrBaseBatch: flag(
    'n',
    // Absent in runs of versions that did not scale the rate.
    orNull(positiveInteger)('batch size that --lr is for: k times that has k times the rate', {
      default: null,
      absent: null,
    }),
    { note: 'that of --batch-size' },
  ),
  momentum: chosen('x', nonNegative('momentum', optional), {
    note: momentumHelp(),
    choose: ({ optimizer }) => optimizers[optimizer].preset.momentum ?? 0,
    conflict: (given: unknown, { optimizer }: Pick<Known, 'optimizer'>) =>
      given === undefined || optimizers[optimizer].preset.momentum !== undefined
        ? undefined
        : `--momentum belongs to --optimizer ${WITH_MOMENTUM.join(', ')}; ${optimizer} takes none`,
  }),
  weightDecay: chosen('x', nonNegative('weight decay', optional), {
    note: 'by optimizer',
    choose: ({ optimizer }) => optimizers[optimizer].preset.weightDecay,
  }),
  schedule: flag('name', oneOf(namesOf(SCHEDULES))('schedule of the learning rate', { default: 'cosine' })),
  warmup: chosen(
    'length',
    // Absent in runs of versions without warm-up.
    kind<Warmup>({ check: checkWarmup, domain: { type: 'string' } })(
      'how long the learning rate rises first, in steps, or in epochs as in 1epoch',
      { ...optional, absent: 0 },
    ),
    { note: 'by model', choose: defaultWarmup },
  ),
  ...LOSS_FLAGS,
  ...REGULARIZATION_FLAGS,
  ...STOPPING_FLAGS,
  seed: flag('n', nonNegativeInteger('seed of all random numbers', { default: 0 })),
  precision: PRECISION,
};

type Kept<S> = S extends Setting<infer T, infer _Given> ? T : never;

/** Every setting with its value. run.json keeps it beside the checkpoints. */
export type Recipe = { readonly [K in keyof typeof SETTINGS]: Kept<(typeof SETTINGS)[K]> };

/** The settings that were given. */
export type RecipeFlags = OptionsOf<typeof SETTINGS>;

interface RecipeSetting extends Flag {
  readonly choose?: (known: Known) => unknown;
  readonly mayChange?: boolean;
}

const ALL = Object.entries<RecipeSetting>(SETTINGS);

/**
 * The first rate of deep networks is too large for fresh weights, so it rises over the first epoch, or a
 * fifth of a short run. One that is scaled up rises over five epochs, as Goyal et al. (2017) have it.
 */
function defaultWarmup({ model, schedule, epochs, ...scaling }: Known): Warmup {
  const scaled = isEnlarged(scaling);
  if (schedule === 'one-cycle' || !(NETWORKS[model].deep || scaled)) return 0;
  return epochsOf(Math.min(scaled ? 5 : 1, epochs / 5));
}

/**
 * Fills in the settings that were not given.
 * @throws UsageError if options contradict each other or one is missing
 */
export function completeRecipe(flags: RecipeFlags): Recipe {
  const recipe = filledIn(flags);
  checkConflicts<Known>(SETTINGS, flags, recipe);
  return recipe;
}

/** The settings of another run that do not contradict those that were given for this one. */
export function compatible(others: RecipeFlags, given: RecipeFlags): RecipeFlags {
  const recipe = filledIn({ ...others, ...given });
  return Object.fromEntries(
    Object.entries(others).filter(([name, value]) => {
      const setting: MayConflict<Known> = SETTINGS[name as keyof Recipe];
      return setting.conflict?.(value ?? undefined, recipe, spelled(name)) === undefined;
    }),
  );
}

function filledIn(flags: RecipeFlags): Recipe {
  const given = flags as Readonly<Record<string, unknown>>;
  const recipe: Record<string, unknown> = {};
  for (const [name, { choose, default: usual }] of ALL) {
    // The settings that `choose` reads come earlier in the list.
    recipe[name] = given[name] ?? (choose === undefined ? usual : choose(recipe as Recipe));
  }
  return recipe as Recipe;
}

/**
 * The recipe of a run that is resumed: the one that was kept, with the settings that may change.
 * @throws UsageError for an option that would make it another run, or that contradicts the run's
 */
export function resumedRecipe(kept: Recipe, flags: RecipeFlags): Recipe {
  const recipe: Record<string, unknown> = { ...kept };
  for (const [name, given] of Object.entries(flags)) {
    const { mayChange = false } = SETTINGS[name as keyof Recipe] as RecipeSetting;
    const before = recipe[name];
    if (!mayChange && JSON.stringify(given) !== JSON.stringify(before)) {
      const began = before === null ? 'without it' : `with ${said(before)}`;
      throw new UsageError(
        `${spelled(name)} ${said(given)}: the run that is resumed was started ${began}; leave the option out`,
      );
    }
    recipe[name] = given;
  }
  // What is missing here was given when the run was started.
  const changed = Object.entries<RecipeSetting>(SETTINGS).filter(([name]) => name in flags);
  checkConflicts<Known>(Object.fromEntries(changed), flags, recipe as Recipe);
  return recipe as Recipe;
}

/** A value as the command line spells it. */
function said(value: unknown): string {
  return clip(Array.isArray(value) ? value.join(',') : String(value));
}

/**
 * Reads a recipe from a file, with the checks of the options.
 * @throws FormatError naming the file
 */
export function parseRecipe(file: string, json: unknown): Recipe {
  if (typeof json !== 'object' || json === null)
    throw new FormatError(`${clip(file)}: does not hold the options of a run`);
  const given = json as Readonly<Record<string, unknown>>;
  const recipe: Record<string, unknown> = {};
  try {
    for (const [name, { absent, check }] of ALL)
      recipe[name] = check(file, name, given[name] ?? (absent === undefined ? given[name] : absent));
  } catch (error) {
    throw new FormatError(messageOf(error), { cause: error });
  }
  return recipe as Recipe;
}
