/** What `tune.successiveHalving` and `tune.hyperband` share: they walk through brackets. */
import { OptionError } from '../../errors';
import { number, positiveInteger, probability, type Json } from '../../settings';
import { baseOf, comparable } from './base';
import { mayBePromoted, Members, nextPromotion, type Place, type Promotion, type Rung } from './brackets';
import { whereOf } from '../maker';
import type { TrialRecord } from '../study/trial';
import { requireOneObjective, seed, type Suggesting } from './declare';
import { drawPoint } from './draw';
import { isUnrecorded, observer } from './observations';
import type { Steps } from './steps';
import type { SearchState, Strategy, Suggestion } from './strategy';

/** What a strategy says. */
export type Suggested = Suggestion | 'wait' | undefined;

export const halvingSettings = {
  seed,
  minResource: positiveInteger('The least budget that a trial gets: epochs, or whatever trials report.', {
    default: 1,
  }),
  maxResource: positiveInteger('The budget of the trials that come through to the end.', { default: 81 }),
  reductionFactor: number({ minimum: 2 })(
    'One of so many trials is promoted, and then runs so many times as long.',
    { default: 3 },
  ),
  base: baseOf(
    'What suggests new points: `random`, `tpe`, `gp`, or such a strategy with options. Its own seed is not used.',
    { default: 'random' },
  ),
  randomFraction: probability(
    'The share of new points that are drawn at random, whatever `base` has learned (Falkner et al. 2018).',
    { default: 1 / 3 },
  ),
  observations: positiveInteger(
    'How many trials must have finished with a budget before `base` learns from it rather than from a lower one.',
    { default: 10 },
  ),
};

/** A bracket of a search, with its rungs. */
export interface Bracket extends Pick<Place, 'round' | 'bracket'> {
  readonly rungs: readonly Rung[];
}

/** How a strategy halves. */
export interface Halving {
  readonly name: string;
  readonly base: Strategy;
  readonly randomFraction: number;
  readonly observations: number;
  readonly maxResource: number;
  /** In the order that they are begun in; may be endless. */
  brackets(): Iterable<Bracket>;
}

/** @throws OptionError */
export function checkResources(name: string, minResource: number, maxResource: number): void {
  if (minResource > maxResource)
    throw new OptionError(
      `${whereOf(name)}: minResource must not be above maxResource, got ${minResource} and ${maxResource}`,
    );
}

/** The note in which trials keep their place. */
export const noteOf = (name: string): string => `tenon:${name}`;

/** A new point, at the lowest rung of a bracket. */
export function* begins(state: SearchState, halving: Halving, bracket: Bracket): Steps<Suggested> {
  return placed(yield* fresh(state, halving), bracket, 0, halving.name);
}

/** The trial goes on from its checkpoint, at a higher rung. */
export function promotes(
  { dimensions, random }: SearchState,
  { name }: Halving,
  bracket: Bracket,
  { trial, rung }: Promotion,
): Suggested {
  // What a space has that the trial's had not is drawn.
  const point = drawPoint(dimensions, random, observer(dimensions)(trial));
  return placed({ point, continues: trial.number }, bracket, rung, name);
}

/** What somebody enqueued, where no bracket has a place for it: it runs to the end by itself. */
export function* runsAlone(state: SearchState, halving: Halving): Steps<Suggested> {
  const suggestion = yield* fresh(state, halving);
  return typeof suggestion === 'object' ? { ...suggestion, budget: halving.maxResource } : suggestion;
}

/** Trials that somebody has taken, each of which takes an open place that it has not recorded yet. */
export function unrecordedOf({ trials }: SearchState, { name }: Halving): number {
  return trials.filter((trial) => isUnrecorded(trial) && !(noteOf(name) in trial.notes)).length;
}

function placed(
  suggestion: Suggested,
  { rungs, ...bracket }: Bracket,
  rung: number,
  name: string,
): Suggested {
  if (typeof suggestion !== 'object') return suggestion;
  const { budget } = rungs[rung]!;
  const note: Json = { ...bracket, rung, budget };
  return { ...suggestion, budget, notes: { ...suggestion.notes, [noteOf(name)]: note } };
}

/** A new point: from the base strategy, which sees the trials of one budget, or drawn. */
function* fresh(state: SearchState, { base, observations, randomFraction }: Halving): Steps<Suggested> {
  const { dimensions, random, fixed } = state;
  if (base.name !== 'random' && random.uniform() < randomFraction)
    return { point: drawPoint(dimensions, random, fixed) };
  const seen = { ...state, trials: comparable(state, observations) };
  return base.steps === undefined ? base.suggest(seen) : yield* base.steps(seen);
}

/** A strategy that halves, by `steps`. */
export function halvingStrategy(
  halving: Halving,
  steps: (state: SearchState) => Steps<Suggested>,
): Suggesting {
  const { name, base } = halving;
  return {
    mayContinue: ({ trials, directions }) => {
      const members = new Members(trials, noteOf(name));
      const found: TrialRecord[] = [];
      for (const bracket of halving.brackets()) {
        if (members.at({ ...bracket, rung: 0 }).length === 0) break;
        found.push(...mayBePromoted(members, bracket, bracket.rungs, directions[0]!));
      }
      return found;
    },
    check: (dimensions, directions) => {
      requireOneObjective(name, directions);
      base.check(dimensions, directions);
    },
    steps,
  };
}

/**
 * Walks through the brackets: each is filled with new trials, and then its rungs are halved. A bracket that
 * waits for trials lets the next begin.
 */
export function* suggestHalving(state: SearchState, halving: Halving): Steps<Suggested> {
  const { trials, directions, fixed } = state;
  const members = new Members(trials, noteOf(halving.name));
  let unrecorded = unrecordedOf(state, halving);
  let waits = false;
  for (const bracket of halving.brackets()) {
    const open = bracket.rungs[0]!.trials - members.at({ ...bracket, rung: 0 }).length;
    if (open > unrecorded) return yield* begins(state, halving, bracket);
    unrecorded -= Math.max(0, open);
    // What somebody enqueued is a new trial.
    if (fixed !== undefined) continue;
    const next = open > 0 ? 'wait' : nextPromotion(members, bracket, bracket.rungs, directions[0]!);
    if (typeof next === 'object') return promotes(state, halving, bracket, next);
    waits ||= next === 'wait';
  }
  if (fixed !== undefined) return yield* runsAlone(state, halving);
  return waits ? 'wait' : undefined;
}
