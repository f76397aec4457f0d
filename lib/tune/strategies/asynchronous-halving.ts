/**
 * Asynchronous successive halving that pauses and promotes trials (Li et al. 2020, "A system for massively
 * parallel hyperparameter tuning", algorithm 2).
 */
import { isBusy, Members, promotable } from './brackets';
import {
  begins,
  noteOf,
  promotes,
  runsAlone,
  unrecordedOf,
  type Bracket,
  type Halving,
  type Suggested,
} from './halving';
import type { Steps } from './steps';
import type { SearchState } from './strategy';

export interface AsynchronousHalving extends Halving {
  readonly reductionFactor: number;
  /** Its first rung says how many new points there are, at most. */
  readonly bracket: Bracket;
}

/**
 * A promotion where there is one, from the highest rung down, and otherwise a new trial. `'wait'` only once
 * all new points have begun and trials run that may still be promoted.
 */
export function* suggestAsynchronous(state: SearchState, halving: AsynchronousHalving): Steps<Suggested> {
  const { trials, fixed } = state;
  const { bracket, reductionFactor: factor } = halving;
  const { rungs } = bracket;
  const direction = state.directions[0]!;
  const members = new Members(trials, noteOf(halving.name));
  // What somebody enqueued is a new trial.
  const next = fixed === undefined ? promotable(members, bracket, rungs, { factor, direction }) : undefined;
  if (next !== undefined) return promotes(state, halving, bracket, next);
  const begun = members.at({ ...bracket, rung: 0 }).length + unrecordedOf(state, halving);
  if (begun < rungs[0]!.trials) return yield* begins(state, halving, bracket);
  if (fixed !== undefined) return yield* runsAlone(state, halving);
  return isBusy(members, bracket, rungs) ? 'wait' : undefined;
}
