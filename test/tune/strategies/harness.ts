/** A study in memory: a strategy searches a function, one trial after the other. */
import type { Dimension, Domain, Point, Value } from '../../../lib/tune/space/dimension';
import { Random } from '../../../lib/tune/strategies/random-numbers';
import type { SearchState, Strategy, Suggestion } from '../../../lib/tune/strategies/strategy';
import type { Direction, TrialRecord } from '../../../lib/tune/study/trial';

export function real(low: number, high: number, more: { log?: boolean; step?: number } = {}): Domain {
  return { type: 'float', low, high, log: false, ...more };
}

export function whole(low: number, high: number, more: { log?: boolean; step?: number } = {}): Domain {
  return { type: 'integer', low, high, log: false, step: 1, ...more };
}

export function choice(...choices: readonly Value[]): Domain {
  return { type: 'choice', choices };
}

/** Dimensions by name; `'a.1.b'` exists where the choice `a` has index 1. */
export function space(domains: Readonly<Record<string, Domain>>): Dimension[] {
  return Object.entries(domains).map(([name, domain]) => {
    const [parent, index, inner] = name.split('.');
    return { name, domain, when: inner === undefined ? [] : [{ name: parent!, index: Number(index) }] };
  });
}

export function trialOf(
  number: number,
  dimensions: readonly Dimension[],
  point: Point,
  more: Partial<TrialRecord> = {},
): TrialRecord {
  return { number, state: 'complete', point, dimensions, reports: [], attributes: {}, notes: {}, ...more };
}

export interface SearchOptions {
  readonly directions?: readonly Direction[];
  /** What is known before. */
  readonly trials?: readonly TrialRecord[];
  readonly fixed?: Point;
}

export function stateOf(
  strategy: Strategy,
  dimensions: readonly Dimension[],
  { directions = ['minimize'], trials = [], fixed }: SearchOptions = {},
): SearchState {
  const number = trials.length;
  const random = new Random(strategy.seed, strategy.name, number);
  return { dimensions, directions, trials, number, random, ...(fixed && { fixed }) };
}

/** What it suggests, which must be a point. */
export function suggested(...args: Parameters<typeof stateOf>): Suggestion {
  const [strategy] = args;
  const suggestion = strategy.suggest(stateOf(...args));
  if (suggestion === undefined || suggestion === 'wait') throw new Error(`no point: ${String(suggestion)}`);
  return suggestion;
}

type Objective = (point: Point, suggestion: Suggestion) => number | readonly number[];

/** Trials of a search, at most `count`, fewer where the strategy ends it. */
export function search(
  strategy: Strategy,
  dimensions: readonly Dimension[],
  objective: Objective,
  count: number,
  options: SearchOptions = {},
): TrialRecord[] {
  const trials = [...(options.trials ?? [])];
  strategy.check(dimensions, options.directions ?? ['minimize']);
  for (let i = 0; i < count; i++) {
    const suggestion = strategy.suggest(stateOf(strategy, dimensions, { ...options, trials }));
    if (suggestion === undefined || suggestion === 'wait') break;
    const { point, notes = {} } = suggestion;
    const values = [objective(point, suggestion)].flat();
    trials.push(trialOf(trials.length, dimensions, point, { values, notes }));
  }
  return trials;
}
