/** Brackets of successive halving: rungs of fewer and fewer trials with more and more budget. */
import { NOTE } from '../study/notes';
import type { Direction, TrialRecord } from '../study/trial';
import { bestOf } from './ranking';

/** A rung: how many trials run with how much budget. */
export interface Rung {
  readonly trials: number;
  readonly budget: number;
}

/** Which place of a search a trial has. `bracket` counts the promotions that it offers. */
export interface Place {
  readonly round: number;
  readonly bracket: number;
  readonly rung: number;
}

/** How many promotions lie between two budgets: floor(log(max / min) / log(factor)), exactly. */
export function promotionsOf(min: number, max: number, factor: number): number {
  let count = 0;
  while (min * factor ** (count + 1) <= max) count++;
  return count;
}

/**
 * The rungs of a bracket that begins with `trials` and ends with the budget `max`: `trials / factor^i`
 * trials, rounded down, with `max / factor^(promotions - i)`, rounded.
 */
export function rungsOf(trials: number, promotions: number, max: number, factor: number): Rung[] {
  const rungs = Array.from({ length: promotions + 1 }, (_, i) => ({
    trials: Math.floor(trials / factor ** i),
    budget: Math.round(max / factor ** (promotions - i)),
  }));
  return rungs.filter((rung) => rung.trials > 0);
}

/** The place that a trial notes under `key`. */
export function placeOf({ notes }: TrialRecord, key: string): Place | undefined {
  const note = notes[key];
  if (typeof note !== 'object' || note === null || Array.isArray(note)) return undefined;
  const { round, bracket, rung } = note as Readonly<Record<string, unknown>>;
  if (typeof round !== 'number' || typeof bracket !== 'number' || typeof rung !== 'number') return undefined;
  return { round, bracket, rung };
}

/** Trials by their bracket and rung, without those that a lost worker left and that are tried again. */
export class Members {
  private readonly byPlace = new Map<string, TrialRecord[]>();

  constructor(trials: readonly TrialRecord[], key: string) {
    const replaced = new Set(trials.map(({ notes }) => notes[NOTE.retryOf]));
    for (const trial of trials) {
      const place = placeOf(trial, key);
      if (place === undefined || replaced.has(trial.number)) continue;
      const name = nameOf(place);
      const there = this.byPlace.get(name);
      if (there === undefined) this.byPlace.set(name, [trial]);
      else there.push(trial);
    }
  }

  at(place: Place): readonly TrialRecord[] {
    return this.byPlace.get(nameOf(place)) ?? [];
  }
}

const nameOf = ({ round, bracket, rung }: Place): string => `${round} ${bracket} ${rung}`;

const isOpen = ({ state }: TrialRecord): boolean => state === 'running' || state === 'waiting';

type BracketName = Pick<Place, 'round' | 'bracket'>;

export interface Promotion {
  readonly trial: TrialRecord;
  /** To which rung. */
  readonly rung: number;
}

/** The first that was not promoted of the best `count` that are complete in the rung before `rung`. */
function unpromoted(
  members: Members,
  bracket: BracketName,
  rung: number,
  { count, direction }: { readonly count: number; readonly direction: Direction },
): Promotion | undefined {
  const complete = members.at({ ...bracket, rung: rung - 1 }).filter(({ state }) => state === 'complete');
  const promoted = new Set(members.at({ ...bracket, rung }).map(({ notes }) => notes[NOTE.continues]));
  const trial = bestOf(complete, [direction], count).find(({ number }) => !promoted.has(number));
  return trial === undefined ? undefined : { trial, rung };
}

/**
 * The next promotion of a bracket whose rungs are decided when they are complete: of the best of a rung, the
 * first that was not promoted. `'wait'` while the trials of a rung run, undefined where all is done. Trials
 * that failed or were pruned are not promoted; where too few are left, fewer are.
 */
export function nextPromotion(
  members: Members,
  bracket: BracketName,
  rungs: readonly Rung[],
  direction: Direction,
): Promotion | 'wait' | undefined {
  for (let rung = 1; rung < rungs.length; rung++) {
    if (members.at({ ...bracket, rung: rung - 1 }).some(isOpen)) return 'wait';
    const next = unpromoted(members, bracket, rung, { count: rungs[rung]!.trials, direction });
    if (next !== undefined) return next;
  }
  return undefined;
}

/**
 * The next promotion of a bracket that does not wait, from the highest rung down: a trial among the best 1 /
 * `factor` of those that have ended there so far (Li et al. 2020, algorithm 2). Undefined: there is none now.
 */
export function promotable(
  members: Members,
  bracket: BracketName,
  rungs: readonly Rung[],
  { factor, direction }: { readonly factor: number; readonly direction: Direction },
): Promotion | undefined {
  for (let rung = rungs.length - 1; rung >= 1; rung--) {
    const ended = members.at({ ...bracket, rung: rung - 1 }).filter((trial) => !isOpen(trial));
    const next = unpromoted(members, bracket, rung, { count: Math.floor(ended.length / factor), direction });
    if (next !== undefined) return next;
  }
  return undefined;
}

/**
 * Trials that a bracket may still promote: of each rung, the best that are complete so far, as many as the
 * next rung takes, without those that were promoted. Others that end can only push them out.
 */
export function mayBePromoted(
  members: Members,
  bracket: BracketName,
  rungs: readonly Rung[],
  direction: Direction,
): TrialRecord[] {
  return rungs.slice(1).flatMap(({ trials: count }, i) => {
    const complete = members.at({ ...bracket, rung: i }).filter(({ state }) => state === 'complete');
    const promoted = new Set(
      members.at({ ...bracket, rung: i + 1 }).map(({ notes }) => notes[NOTE.continues]),
    );
    return bestOf(complete, [direction], count).filter(({ number }) => !promoted.has(number));
  });
}

/** Whether trials run whose end may allow promotions. */
export function isBusy(members: Members, bracket: BracketName, rungs: readonly Rung[]): boolean {
  return rungs.slice(0, -1).some((_, rung) => members.at({ ...bracket, rung }).some(isOpen));
}
