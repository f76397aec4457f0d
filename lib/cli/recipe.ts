/** What to train and how, for `tenon train`: each setting declared once, and what follows from it. */
import { LAST_BATCHES } from '../data/cut';
import { FormatError } from '../errors';
import { clip, messageOf } from '../options';
import {
  kind,
  listOf,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positive,
  positiveInteger,
  probability,
  type OptionsOf,
  type Setting,
} from '../settings';
import { AUGMENTATIONS } from './augmentations';
import { checkConflicts, DATA_FLAGS, type KnownData } from './data-flags';
import { DATASETS } from './datasets';
import { UsageError } from './exit-codes';
import { flag, PRECISION, spelled, type Flag } from './flags';
import { namesOf } from './names';
import { NETWORKS, type ModelName } from './networks';
import { defaultLr, momentumHelp, OPTIMIZERS, WITH_MOMENTUM, type OptimizerName } from './optimizers';
import { SCHEDULES, type ScheduleName } from './schedules';
import { checkWarmup, epochsOf, type Warmup } from './warmup';

/** What defaults and contradictions go by. */
export interface Known extends KnownData {
  readonly model: ModelName;
  readonly epochs: number;
  readonly optimizer: OptimizerName;
  readonly schedule: ScheduleName;
}

/** A setting whose default depends on others: `note` says on which, `choose` sees those declared before it. */
function chosen<T, More extends object>(
  take: string,
  setting: Setting<T, T, 'optional'>,
  more: { readonly note: string; readonly choose: (known: Known) => T } & More,
) {
  return flag(take, setting, more);
}

const optional = { optional: true } as const;

/**
 * Everything that decides what a run computes, and the place of its data, in the order in which defaults are filled in. Flags and their
 * help, the recipe, run.json and its check, and what may change on resuming follow from here.
 */
export const SETTINGS = {
  ...DATA_FLAGS,
  /** Share of the training split that is held out for validation. */
  validation: flag(
    'share',
    probability('share of the training split held out for validation', { default: 0.05 }),
  ),
  augment: chosen(
    'list',
    listOf(oneOf(namesOf(AUGMENTATIONS)))(`${namesOf(AUGMENTATIONS).join(',')} or none`, optional),
    { note: 'by data set', choose: ({ dataset }) => DATASETS[dataset].augment },
  ),
  model: chosen('name', oneOf(namesOf(NETWORKS))('network', optional), {
    note: 'by data set',
    choose: ({ dataset }) => DATASETS[dataset].model,
  }),
  epochs: chosen('n', positiveInteger('passes over the training split', optional), {
    note: 'by data set',
    choose: ({ dataset }) => DATASETS[dataset].epochs,
    mayChange: true,
  }),
  batchSize: chosen('n', positiveInteger('examples a step', optional), {
    note: 'by model',
    choose: ({ model }) => (NETWORKS[model].deep ? 128 : 64),
  }),
  lastBatch: flag(
    'how',
    // Absent in runs of versions that knew `keep` only.
    oneOf(LAST_BATCHES)('what does not fill a batch', { default: 'even', absent: 'keep' }),
  ),
  optimizer: chosen('name', oneOf(namesOf(OPTIMIZERS))('optimizer', optional), {
    note: 'by model',
    choose: ({ model }) => (NETWORKS[model].deep ? 'sgd' : 'adam'),
  }),
  lr: chosen('x', positive('learning rate', optional), {
    note: 'by model and optimizer',
    choose: ({ model, optimizer }) => defaultLr(NETWORKS[model], optimizer),
  }),
  momentum: chosen('x', nonNegative('momentum', optional), {
    note: momentumHelp(),
    choose: ({ optimizer }) => OPTIMIZERS[optimizer].momentum ?? 0,
    conflict: (given: unknown, { optimizer }: Pick<Known, 'optimizer'>) =>
      given === undefined || OPTIMIZERS[optimizer].momentum !== undefined
        ? undefined
        : `--momentum belongs to --optimizer ${WITH_MOMENTUM.join(', ')}; ${optimizer} takes none`,
  }),
  weightDecay: chosen('x', nonNegative('weight decay', optional), {
    note: 'by optimizer',
    choose: ({ optimizer }) => OPTIMIZERS[optimizer].weightDecay,
  }),
  schedule: flag('name', oneOf(namesOf(SCHEDULES))('schedule of the learning rate', { default: 'cosine' })),
  warmup: chosen(
    'length',
    // Absent in runs of versions that knew none.
    kind<Warmup>({ check: checkWarmup, domain: { type: 'string' } })(
      'how long the learning rate rises first: steps, or epochs as in 1epoch',
      { ...optional, absent: 0 },
    ),
    { note: 'by model', choose: defaultWarmup },
  ),
  seed: flag('n', nonNegativeInteger('seed of everything random', { default: 0 })),
  precision: PRECISION,
};

type Kept<S> = S extends Setting<infer T, infer _Given> ? T : never;

/** Every setting with its value. Kept beside the checkpoints as run.json. */
export type Recipe = { readonly [K in keyof typeof SETTINGS]: Kept<(typeof SETTINGS)[K]> };

/** The settings that were given. */
export type RecipeFlags = OptionsOf<typeof SETTINGS>;

interface RecipeSetting extends Flag {
  readonly choose?: (known: Known) => unknown;
  readonly mayChange?: boolean;
}

const ALL = Object.entries<RecipeSetting>(SETTINGS);

/** Deep networks begin with a rate that would throw fresh weights about: it rises through the first epoch, or a fifth of a short run. */
function defaultWarmup({ model, schedule, epochs }: Known): Warmup {
  if (!NETWORKS[model].deep || schedule === 'one-cycle') return 0;
  return epochsOf(Math.min(1, epochs / 5));
}

/**
 * Fills in what was not given.
 * @throws UsageError where options contradict each other or one is missing
 */
export function completeRecipe(flags: RecipeFlags): Recipe {
  const given = flags as Readonly<Record<string, unknown>>;
  const recipe: Record<string, unknown> = {};
  for (const [name, { choose, default: usual }] of ALL) {
    // What `choose` looks at stands before it.
    recipe[name] = given[name] ?? (choose === undefined ? usual : choose(recipe as Recipe));
  }
  checkConflicts<Known>(SETTINGS, flags, recipe as Recipe);
  return recipe as Recipe;
}

/**
 * The recipe of a run that goes on: what was kept, with more epochs if asked, and where and how large the same data is now.
 * @throws UsageError for an option that would make it another run
 */
export function resumedRecipe(kept: Recipe, flags: RecipeFlags): Recipe {
  const recipe: Record<string, unknown> = { ...kept };
  for (const [name, given] of Object.entries(flags)) {
    const { mayChange = false } = SETTINGS[name as keyof Recipe] as RecipeSetting;
    if (!mayChange && JSON.stringify(given) !== JSON.stringify(recipe[name])) {
      throw new UsageError(
        `${spelled(name)} ${said(given)}: the run that is resumed was started with ${said(recipe[name])}; leave the option out`,
      );
    }
    recipe[name] = given;
  }
  return recipe as Recipe;
}

/** A value as the command line takes it. */
function said(value: unknown): string {
  return clip(Array.isArray(value) ? value.join(',') : String(value));
}

/**
 * A recipe read from a file, checked as options are.
 * @throws FormatError naming the file
 */
export function parseRecipe(file: string, json: unknown): Recipe {
  if (typeof json !== 'object' || json === null)
    throw new FormatError(`${clip(file)}: not the recipe of a run`);
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
