/** What ends a trial before its time: a pure function of the reports so far. */
import type { Json } from '../../settings';
import type { Direction, TrialRecord } from '../study/trial';

/** What a rule sees. */
export interface RuleState {
  /**
   * The trial that has just reported; its last report is the new one. Where it continues another trial, the
   * reports of that one come first.
   */
  readonly trial: TrialRecord;
  /** All trials of the study, by number, each with its own reports. */
  readonly trials: readonly TrialRecord[];
  readonly direction: Direction;
}

/** A study asks its rules in order after each report. Rules need one direction. */
export interface Rule {
  readonly name: string;
  /** For the study's record. */
  readonly settings: Readonly<Record<string, Json>>;
  /**
   * Why the trial should end, in a clause for people: `loss 9.1 is above 3 x the first, 2.3`; else undefined.
   */
  stops(state: RuleState): string | undefined;
}
