/** What decides which point is tried next: a pure function of the study so far and of a seed. */
import type { Json } from '../../settings';
import type { Dimension, Point } from '../space/dimension';
import type { Direction, TrialRecord } from '../study/trial';
import type { Random } from './random-numbers';
import type { Steps } from './steps';

/** What a strategy decides by. */
export interface SearchState {
  readonly dimensions: readonly Dimension[];
  /** One for each objective. */
  readonly directions: readonly Direction[];
  /**
   * All trials before this one, by number, the running, pruned and failed ones too. Some may be of another
   * space: a strategy uses a trial's number in a dimension only where its domain is the same.
   */
  readonly trials: readonly TrialRecord[];
  /** The number of the trial to suggest for. */
  readonly number: number;
  /**
   * What somebody who enqueued the trial has fixed, checked against the dimensions. The suggestion keeps it
   * and adds the rest. Undefined: nobody enqueued it.
   */
  readonly fixed?: Point;
  /** Numbers of (the strategy's seed, its name, the trial's number): the same in any process. */
  readonly random: Random;
}

/** The next point to try. */
export interface Suggestion {
  readonly point: Point;
  /**
   * How many epochs, or whatever reports count, the trial is meant to run. Undefined: as many as it likes.
   */
  readonly budget?: number;
  /** The number of the trial whose checkpoint it continues. */
  readonly continues?: number;
  /** What the strategy wants to find again in `trial.notes`, such as a bracket or a stage. */
  readonly notes?: Readonly<Record<string, Json>>;
}

export interface Strategy {
  readonly name: string;
  readonly seed: number;
  /** Its settings, for the study's record: a study that goes on with other settings says so. */
  readonly settings: Readonly<Record<string, Json>>;
  /**
   * Refuses spaces and directions that it cannot search: a grid over real numbers without a
   * step, several objectives.
   * @throws OptionError
   */
  check(dimensions: readonly Dimension[], directions: readonly Direction[]): void;
  /**
   * The next point; `'wait'` where it depends on trials that still run; undefined where the search has come
   * to its end.
   */
  suggest(state: SearchState): Suggestion | 'wait' | undefined;
  /**
   * What `suggest` returns, in short steps, between which a study lets the event loop run: of strategies that
   * compute for long.
   */
  steps?(state: SearchState): Steps<Suggestion | 'wait' | undefined>;
  /** The trials whose checkpoints a later one may continue. Left out: none, ever. */
  mayContinue?(state: Pick<SearchState, 'trials' | 'directions'>): readonly TrialRecord[];
}
