/** What `tune.successiveHalving` and `tune.hyperband` share: they walk through brackets. */
import { OptionError } from '../../errors';
import { number, positiveInteger, type Json } from '../../settings';
import { baseOf, comparable } from './base';
import { Members, nextPromotion, type Place, type Rung } from './brackets';
import { requireOneObjective, seed, whereOf } from './declare';
import { drawPoint } from './draw';
import { isUnrecorded, observer } from './observations';
import type { SearchState, Strategy, Suggestion } from './strategy';

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
    'What suggests new points: `random`, `tpe`, or such a strategy with options. Its own seed is not used.',
    { default: 'random' },
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

interface Halving {
  readonly name: string;
  readonly base: Strategy;
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

function placed(
  suggestion: Suggestion,
  { rungs, ...bracket }: Bracket,
  rung: number,
  name: string,
): Suggestion {
  const { budget } = rungs[rung]!;
  const note: Json = { ...bracket, rung, budget };
  return { ...suggestion, budget, notes: { ...suggestion.notes, [noteOf(name)]: note } };
}

/** A new point from the base strategy, which sees the trials of one budget. */
function fresh(state: SearchState, { base, observations }: Halving): Suggestion | 'wait' | undefined {
  return base.suggest({ ...state, trials: comparable(state, observations) });
}

/** The trial goes on from its checkpoint. */
function promoted({ dimensions, random }: SearchState, trial: SearchState['trials'][number]): Suggestion {
  return {
    // What a space has that the trial's had not is drawn.
    point: drawPoint(dimensions, random, observer(dimensions)(trial)),
    continues: trial.number,
  };
}

/** What a strategy does whose settings say how it halves. */
export function halvingStrategy(halving: Halving): Pick<Strategy, 'check' | 'suggest'> {
  return {
    check: (dimensions, directions) => {
      requireOneObjective(halving.name, directions);
      halving.base.check(dimensions, directions);
    },
    suggest: (state) => suggestHalving(state, halving),
  };
}

/**
 * Walks through the brackets: each is filled with new trials, and then its rungs are halved. A bracket that
 * waits for trials lets the next begin.
 */
function suggestHalving(state: SearchState, halving: Halving): Suggestion | 'wait' | undefined {
  const { trials, directions, fixed } = state;
  const { name } = halving;
  const members = new Members(trials, noteOf(name));
  // Each takes an open place that it has not recorded yet.
  let unrecorded = trials.filter((trial) => isUnrecorded(trial) && !(noteOf(name) in trial.notes)).length;
  let waits = false;
  for (const bracket of halving.brackets()) {
    const open = bracket.rungs[0]!.trials - members.at({ ...bracket, rung: 0 }).length;
    if (open > unrecorded) {
      const suggestion = fresh(state, halving);
      return typeof suggestion === 'object' ? placed(suggestion, bracket, 0, name) : suggestion;
    }
    unrecorded -= Math.max(0, open);
    // What somebody enqueued is a new trial.
    if (fixed !== undefined) continue;
    const next = open > 0 ? 'wait' : nextPromotion(members, bracket, bracket.rungs, directions[0]!);
    if (typeof next === 'object') return placed(promoted(state, next.trial), bracket, next.rung, name);
    waits ||= next === 'wait';
  }
  if (fixed === undefined) return waits ? 'wait' : undefined;
  // No bracket has a place for it: it runs to the end by itself.
  const suggestion = fresh(state, halving);
  return typeof suggestion === 'object' ? { ...suggestion, budget: halving.maxResource } : suggestion;
}
