/**
 * The lecture's search in stages: many short trials over wide ranges, then longer ones over the ranges
 * of the best.
 */
import { OptionError } from '../../errors';
import {
  declareSettings,
  listOf,
  nonNegative,
  number,
  positiveInteger,
  type Json,
  type OptionsOf,
  type ValuesOf,
} from '../../settings';
import type { Dimension, Point } from '../space/dimension';
import { scaleOf } from '../space/domain';
import { NOTE as STUDY_NOTE } from '../study/notes';
import type { TrialRecord } from '../study/trial';
import { whereOf } from '../maker';
import { declareStrategy, requireOneObjective, seed } from './declare';
import { pointBy } from './draw';
import { isUnrecorded, observer } from './observations';
import type { Random } from './random-numbers';
import { bestOf } from './ranking';
import type { SearchState, Suggestion } from './strategy';

const NAME = 'coarseToFine';
/** What trials note: `{ stage, budget, ranges }`. */
const NOTE = `tenon:${NAME}`;

const settings = declareSettings({
  seed,
  trials: listOf(positiveInteger)('Trials of each stage.', { default: [100, 100] }),
  budgets: listOf(positiveInteger)(
    'How many epochs, or whatever trials report, a trial of each stage is meant to run.',
    { default: [5, 20] },
  ),
  top: number({ exclusiveMinimum: 0, maximum: 1 })(
    "Share of a stage's trials, the best, that span the ranges of the next; at least two trials.",
    { default: 0.1 },
  ),
  margin: nonNegative(
    'How far ranges reach beyond these trials on either side, as a share of the width of the stage before.',
    { default: 0.1 },
  ),
});

export type CoarseToFineOptions = OptionsOf<typeof settings>;

type Values = ValuesOf<typeof settings>;

/** From and to on the scale of a number, or the indices of a choice that are left. */
type Range = readonly [low: number, high: number] | { readonly choices: readonly number[] };
type Ranges = ReadonlyMap<string, Range>;

function wholeRange({ domain }: Dimension): Range {
  if (domain.type === 'choice') return { choices: domain.choices.map((_, i) => i) };
  const { low, high } = scaleOf(domain);
  return [low, high];
}

/** The range that the best points span, with a margin, within the range before. */
function narrowed({ name, domain }: Dimension, before: Range, best: readonly Point[], margin: number): Range {
  const values = best.flatMap((point) => point[name] ?? []);
  if (values.length === 0) return before;
  if ('choices' in before) return { choices: before.choices.filter((index) => values.includes(index)) };
  if (domain.type === 'choice') return before;
  const places = values.map(scaleOf(domain).to);
  const [low, high] = before;
  const beyond = margin * (high - low);
  // Enqueued trials may lie outside of the range.
  const clip = (place: number): number => Math.min(Math.max(place, low), high);
  return [clip(Math.min(...places) - beyond), clip(Math.max(...places) + beyond)];
}

function stageOf({ notes }: TrialRecord): number | undefined {
  const note = notes[NOTE];
  if (typeof note !== 'object' || note === null || !('stage' in note)) return undefined;
  return typeof note.stage === 'number' ? note.stage : undefined;
}

/** The trials of a stage, counted from 1. Trials whose worker died do not count. */
function membersOf(trials: readonly TrialRecord[], stage: number): TrialRecord[] {
  return trials.filter((trial) => stageOf(trial) === stage && trial.notes[STUDY_NOTE.lost] !== true);
}

/** The ranges of a stage, from the best trials of the stages before. */
function rangesOf({ dimensions, directions, trials }: SearchState, stage: number, values: Values): Ranges {
  const observed = observer(dimensions);
  let ranges: Ranges = new Map(dimensions.map((dimension) => [dimension.name, wholeRange(dimension)]));
  for (let before = 1; before < stage; before++) {
    const members = membersOf(trials, before);
    const count = Math.max(2, Math.ceil(values.top * members.length));
    const best = bestOf(members, directions, count).map(observed);
    ranges = new Map(
      dimensions.map((dimension) => {
        const { name } = dimension;
        return [name, narrowed(dimension, ranges.get(name)!, best, values.margin)];
      }),
    );
  }
  return ranges;
}

function drawWithin({ domain }: Dimension, range: Range, random: Random): number {
  if ('choices' in range) return range.choices[random.below(range.choices.length)]!;
  const [low, high] = range;
  return domain.type === 'choice' ? 0 : scaleOf(domain).from(low + (high - low) * random.uniform());
}

/** As people read them: values from and to, and the choices that are left. */
function readable(dimensions: readonly Dimension[], ranges: Ranges): Record<string, Json> {
  const one = ({ name, domain }: Dimension): [string, Json] => {
    const range = ranges.get(name)!;
    if ('choices' in range)
      return [name, domain.type === 'choice' ? range.choices.map((i) => domain.choices[i] ?? null) : null];
    return [name, domain.type === 'choice' ? null : range.map(scaleOf(domain).from)];
  };
  return Object.fromEntries(dimensions.map(one));
}

/** Which stage the next trial belongs to; `'wait'` while the one before is not finished. */
function nextStage(trials: readonly TrialRecord[], counts: readonly number[]): number | 'wait' | undefined {
  const unrecorded = trials.filter(isUnrecorded).length;
  for (const [i, count] of counts.entries()) {
    const members = membersOf(trials, i + 1);
    if (members.length + unrecorded < count) return i + 1;
    // A trial that is about to record its point may belong to this stage.
    if (members.length < count) return 'wait';
    const last = i === counts.length - 1;
    if (!last && members.some(({ state }) => state === 'running' || state === 'waiting')) return 'wait';
  }
  return undefined;
}

function suggest(state: SearchState, values: Values): Suggestion | 'wait' | undefined {
  const { dimensions, trials, random, fixed } = state;
  const next = nextStage(trials, values.trials);
  if (fixed === undefined && typeof next !== 'number') return next;
  // An enqueued trial does not wait: it belongs to the last stage that has begun.
  const begun = Math.max(1, ...trials.map((trial) => stageOf(trial) ?? 1));
  const stage = typeof next === 'number' ? next : Math.min(begun, values.trials.length);
  const ranges = rangesOf(state, stage, values);
  const budget = values.budgets[stage - 1]!;
  return {
    point: pointBy(dimensions, fixed ?? {}, (dimension) =>
      drawWithin(dimension, ranges.get(dimension.name)!, random),
    ),
    budget,
    notes: { [NOTE]: { stage, budget, ranges: readable(dimensions, ranges) } },
  };
}

/**
 * Searches in stages, coarse to fine. Each stage draws its trials evenly from its ranges. The ranges of the
 * next stage reach from the least to the largest value among its best trials, on the dimension's scale, and
 * further by a margin, but not beyond the ranges of the stage before; of choices, those among the best are
 * left. A stage begins when the one before is finished; the search ends with the last. Trials note their
 * stage, its budget and its ranges.
 *
 * `tune.coarseToFine({ trials: [100, 100], budgets: [5, 20] })`
 *
 * @throws OptionError; also when the study begins, for several objectives
 */
export const coarseToFine = declareStrategy(NAME, settings, (values) => {
  const { trials, budgets } = values;
  if (trials.length === 0 || trials.length !== budgets.length)
    throw new OptionError(
      `${whereOf(NAME)}: trials and budgets need one entry for each stage, got ${trials.length} and ${budgets.length}`,
    );
  return {
    check: (_, directions) => requireOneObjective(NAME, directions),
    suggest: (state) => suggest(state, values),
  };
});
