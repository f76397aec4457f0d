/** What runs of trials need of a study: whoever conducts trials, in this process or in others, uses this. */
import type { Json } from '../../settings';
import type { Direction, TrialRecord } from '../study/trial';

/** A trial of the study, with what its objective got. */
export interface StudyTrial<P> extends TrialRecord {
  /** Parameters of an earlier space, or a foreign one, may lack what the space has now. */
  readonly params: P;
  /** The first of its values. */
  readonly value?: number;
}

/** How a trial ended. */
export type Outcome =
  | { readonly state: 'complete'; readonly values: readonly number[] }
  | { readonly state: 'pruned'; readonly reason: string }
  | { readonly state: 'failed'; readonly error: string };

/** What becomes of a trial whose worker died. */
export interface LostTrial {
  readonly error: string;
  /**
   * How many times its point is enqueued anew before that is the end of it. Undefined: it is enqueued anew
   * whatever happened to it before, and that does not count.
   */
  readonly retries: number | undefined;
}

/**
 * A study as those who run trials see it. `study.run` does all of this; it is for workers of your own, which
 * take a trial, and say how it ended.
 */
export interface Runnable<P> {
  /** What messages call it. */
  readonly name: string;
  readonly directions: readonly Direction[];
  /** Where trials may leave checkpoints; undefined for a study in a home that was given none. */
  readonly folder: string | undefined;

  /** All trials as the log had them when it was last read. */
  readonly trials: readonly StudyTrial<P>[];

  /** Reads what others have appended. */
  sync(): Promise<void>;

  /**
   * Takes a trial that waits, or creates one: exactly one worker gets it. `'wait'`: the strategy waits for
   * trials that run. Undefined: it has come to its end, or the study has `total` trials.
   */
  take(total?: number): Promise<StudyTrial<P> | 'wait' | undefined>;

  /**
   * Records a report and asks the rules. Resolves with why the trial should end: a rule says so, or somebody
   * else has ended it.
   */
  report(trial: number, step: number, value: number): Promise<string | undefined>;

  /** Records a note of the objective's own. */
  note(trial: number, key: string, value: Json): Promise<void>;

  /** Records how a trial ended, unless somebody else has: the record says which. */
  finish(trial: number, outcome: Outcome): Promise<StudyTrial<P>>;

  /**
   * Ends a trial as failed because its worker died, and enqueues its point anew while retries are left.
   * Resolves with whether it was this call that did so.
   */
  lose(trial: number, loss: LostTrial): Promise<boolean>;

  /** Says that the worker of a running trial lives. */
  beat(trial: number): Promise<void>;
  /** Running trials with the age of their last heartbeat in milliseconds; undefined: none so far. */
  running(): Promise<readonly { readonly trial: StudyTrial<P>; readonly age: number | undefined }[]>;
}
