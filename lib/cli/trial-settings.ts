/**
 * The settings of a trial of `tenon tune`: those of `tenon train`, and what the trial is judged by. A study
 * keeps each as one word: a number, a text as the command line has it, or null.
 */
import { oneOf } from '../settings';
import type { Value } from '../tune/space/dimension';
import type { Direction } from '../tune/study/trial';
import { STOPPING_FIGURES, type StoppingFigure } from './early-stopping-flags';
import { UsageError } from './exit-codes';
import { flag, readText, type Flag } from './flags';
import { completeRecipe, SETTINGS, type Recipe, type RecipeFlags } from './recipe';

/** The figure of epochs that a study searches for. */
export type Metric = StoppingFigure;

export const METRIC = flag(
  'figure',
  oneOf(STOPPING_FIGURES)('figure of the last epoch that is searched for', { optional: true }),
  { note: 'validationAccuracy' },
);

/** Share of the training split by which trials are judged, where nobody says. */
export const HELD_OUT = 0.2;

const { fromStudy: _fromStudy, trial: _trial, ...others } = SETTINGS;

/** Settings that a trial may have: all but those that take the settings of another one. */
export const TRIAL_SETTINGS = others;

/** Names that a space may have. */
export const SEARCHABLE: readonly string[] = Object.keys(TRIAL_SETTINGS);

/** Whether more of it is better. */
export function directionOf(metric: Metric): Direction {
  return metric.endsWith('Loss') ? 'minimize' : 'maximize';
}

/** The metric that the space of a study names. */
export function metricOf(space: Readonly<Record<string, unknown>>): Metric {
  return STOPPING_FIGURES.find((figure) => figure === space['metric']) ?? 'validationAccuracy';
}

/** What a trial runs. */
export interface TrialSettings {
  readonly given: RecipeFlags;
  readonly metric: Metric;
}

export function settingNamed(name: string): Flag | undefined {
  const settings: Readonly<Record<string, Flag>> = TRIAL_SETTINGS;
  return Object.hasOwn(settings, name) ? settings[name] : undefined;
}

/** The value of a setting from the word that a space has for it. @throws OptionError */
export function valueOfWord(where: string, name: string, setting: Flag, word: Value): unknown {
  if (typeof word !== 'string') return setting.check(where, name, word);
  return word === 'none' && setting.default === null ? null : readText(where, name, setting, word);
}

/** The word for a value. */
export function wordOf(value: unknown): Value {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value as Readonly<Record<string, unknown>>)
      .map(([key, part]) => `${key}=${String(part)}`)
      .join(',');
  return value as Value;
}

/** Parameters of a trial by the names of settings: a branch brings its own. */
export function flatWords(params: Readonly<Record<string, unknown>>): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(params).flatMap(([name, value]): [string, Value][] => {
      if (typeof value !== 'object' || value === null) return [[name, value as Value]];
      const { choice, ...inner } = value as Readonly<Record<string, Value>>;
      return [[name, choice ?? null], ...Object.entries(flatWords(inner))];
    }),
  );
}

/** The settings that parameters of a trial are. What is not a setting is passed over. @throws OptionError */
export function givenOf(params: Readonly<Record<string, unknown>>): RecipeFlags {
  const values: Record<string, unknown> = {};
  for (const [name, word] of Object.entries(flatWords(params)))
    if (SEARCHABLE.includes(name)) values[name] = valueOfWord('the space', name, settingNamed(name)!, word);
  return values;
}

/**
 * What a trial runs with these parameters: `validation` is a fifth where they do not say.
 * @throws OptionError
 */
export function settingsOf(params: Readonly<Record<string, unknown>>): TrialSettings {
  return { given: { validation: HELD_OUT, ...givenOf(params) }, metric: metricOf(params) };
}

/** The settings as `tenon train` completes them. @throws UsageError for those that contradict each other */
export function recipeOf({ given, metric }: TrialSettings): Recipe {
  const recipe = completeRecipe(given);
  if (metric.startsWith('validation') && recipe.validation === 0)
    throw new UsageError(`--metric ${metric} needs a validation set, and --validation is 0`);
  return recipe;
}
