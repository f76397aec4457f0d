/** Taking a trial: one that waits in the log, or a new one with what the strategy suggests. */
import { messageOf } from '../../options';
import type { Json } from '../../settings';
import type { Dimension, Point } from '../space/dimension';
import { pointOfFlat } from '../space/space';
import { Random } from '../strategies/random-numbers';
import { inTurns } from '../strategies/steps';
import type { SearchState, Strategy, Suggestion } from '../strategies/strategy';
import { toDistribution } from './distribution';
import { timeText, type StudyLog, type Unsigned } from './log';
import { NOTE } from './notes';
import { OP, STATE } from './operation';
import type { TrialRecord } from './trial';

/**
 * Suggestions that came too late, because another worker created a trial, before one is made under the lock.
 */
const LATE = 3;

export interface Search {
  readonly log: StudyLog;
  readonly dimensions: readonly Dimension[];
  readonly strategy: Strategy;
  /** No new trial is made once there are so many. */
  readonly total: number;
}

/** The number of the trial that was taken. */
export async function takeTrial(search: Search): Promise<number | 'wait' | undefined> {
  const { replay } = search.log;
  for (let late = 0; ; late++) {
    await search.log.sync();
    const waiting = await takeWaiting(search);
    if (waiting !== undefined) return waiting;
    let number = replay.size;
    let suggestion =
      late < LATE && !isFull(search, number) ? await suggestInTurns(search, number) : undefined;
    if (late < LATE && (suggestion === 'wait' || suggestion === undefined)) return suggestion;
    const added = await search.log.append(() => {
      if (replay.firstWaiting() !== undefined) return [];
      if (late < LATE && replay.size !== number) return [];
      if (late >= LATE) {
        number = replay.size;
        suggestion = isFull(search, number) ? undefined : suggest(search, number);
      }
      return suggestion === 'wait' || suggestion === undefined ? [] : [creation(search, suggestion)];
    });
    if (added > 0) return number;
    if (late >= LATE && replay.firstWaiting() === undefined)
      return suggestion === 'wait' ? 'wait' : undefined;
  }
}

/** Whether the study has all its trials. Those that try the point of another one again do not count. */
function isFull({ log: { replay }, total }: Search, number: number): boolean {
  const trials = replay.trials.slice(0, number);
  return trials.filter(({ notes }) => notes[NOTE.retryOf] === undefined).length >= total;
}

/** At once, under the lock. */
function suggest(search: Search, number: number): Suggestion | 'wait' | undefined {
  return search.strategy.suggest(stateOf(search, number));
}

async function suggestInTurns(
  search: Search,
  number: number,
  fixed?: Point,
): Promise<Suggestion | 'wait' | undefined> {
  const { strategy } = search;
  const state = stateOf(search, number, fixed);
  return strategy.steps === undefined ? strategy.suggest(state) : inTurns(strategy.steps(state));
}

function stateOf(
  { log: { replay }, dimensions, strategy }: Search,
  number: number,
  fixed?: Point,
): SearchState {
  return {
    dimensions,
    directions: replay.directions,
    trials: replay.trials.slice(0, number),
    number,
    ...(fixed === undefined ? {} : { fixed }),
    random: new Random(strategy.seed, strategy.name, number),
  };
}

/** One operation, so that nobody sees the trial without its parameters. */
function creation({ log: { replay }, dimensions }: Search, suggestion: Suggestion): Unsigned {
  const { point } = suggestion;
  const own = dimensions.filter(({ name }) => Object.hasOwn(point, name));
  return {
    op_code: OP.createTrial,
    study_id: replay.id ?? 0,
    datetime_start: timeText(),
    state: STATE.running,
    value: null,
    values: null,
    distributions: Object.fromEntries(own.map(({ name, domain }) => [name, toDistribution(domain)])),
    params: Object.fromEntries(own.map(({ name }) => [name, point[name] as number])),
    user_attrs: {},
    system_attrs: notesOf(suggestion),
    intermediate_values: {},
  };
}

function notesOf({ budget, continues, notes }: Suggestion): Readonly<Record<string, Json>> {
  return {
    ...notes,
    ...(budget === undefined ? {} : { [NOTE.budget]: budget }),
    ...(continues === undefined ? {} : { [NOTE.continues]: continues }),
  };
}

/** The number of a trial that waited and is now ours, and has its parameters. */
async function takeWaiting(search: Search): Promise<number | undefined> {
  const { log } = search;
  const { replay } = log;
  while (replay.firstWaiting() !== undefined) {
    let number: number | undefined;
    await log.append(() => {
      number = replay.firstWaiting()?.number;
      const trial_id = number === undefined ? undefined : replay.idOf(number);
      if (trial_id === undefined) return [];
      const state = { op_code: OP.setStateAndValues, trial_id, state: STATE.running, values: null } as const;
      return [{ ...state, datetime_start: timeText() }];
    });
    const trial = number === undefined ? undefined : replay.trial(number);
    if (trial === undefined) return undefined;
    const trial_id = replay.idOf(trial.number) ?? 0;
    try {
      const operations = await completion(search, trial, trial_id);
      await log.append(() => operations);
      return trial.number;
    } catch (error) {
      if (replay.trial(trial.number)?.state !== 'running' || !(error instanceof BadTrial)) throw error;
      await log.append(() => failure(trial_id, error.message));
    }
  }
  return undefined;
}

/** Somebody enqueued what the space does not have. */
class BadTrial extends Error {}

/** What is recorded of a trial that waited: the parameters that it lacks, and notes. */
async function completion(
  search: Search,
  trial: TrialRecord,
  trial_id: number,
): Promise<readonly Unsigned[]> {
  const { dimensions } = search;
  const fixed = fixedOf(dimensions, trial);
  const suggestion = await suggestInTurns(search, trial.number, fixed);
  if (suggestion === 'wait' || suggestion === undefined)
    throw new BadTrial('the strategy has nothing to add to what is fixed');
  const { point } = suggestion;
  const parameters = dimensions
    .filter(({ name }) => Object.hasOwn(point, name) && !Object.hasOwn(trial.point, name))
    .map(({ name, domain }): Unsigned => ({
      op_code: OP.setParameter,
      trial_id,
      param_name: name,
      param_value_internal: point[name] as number,
      distribution: toDistribution(domain),
    }));
  const notes = Object.entries(notesOf(suggestion))
    .filter(([key]) => !Object.hasOwn(trial.notes, key))
    .map(([key, value]) => noteOperation(trial_id, key, value));
  return [...parameters, ...notes];
}

function fixedOf(dimensions: readonly Dimension[], trial: TrialRecord): Point {
  const given = trial.notes[NOTE.fixed];
  const values = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {};
  try {
    const fixed = pointOfFlat('enqueued', dimensions, values as Readonly<Record<string, Json>>);
    return { ...fixed, ...trial.point };
  } catch (error) {
    throw new BadTrial(messageOf(error));
  }
}

export function noteOperation(trial_id: number, key: string, value: Json): Unsigned {
  return { op_code: OP.setTrialSystemAttribute, trial_id, system_attr: { [key]: value } };
}

export function failure(trial_id: number, error: string): readonly Unsigned[] {
  const state = { op_code: OP.setStateAndValues, trial_id, state: STATE.failed, values: null } as const;
  return [noteOperation(trial_id, NOTE.error, error), { ...state, datetime_complete: timeText() }];
}
