/** What a study knows of a trial: plain data, made from the log by replaying it. */
import type { Json } from '../../settings';
import type { Dimension, Point } from '../space/dimension';

/** Whether a value is to be small or large. */
export type Direction = 'minimize' | 'maximize';

/**
 * `waiting`: enqueued, and nobody took it yet. `running`: taken. `pruned`: a rule stopped it; its last report
 * stands for its value. `failed`: it threw, or its worker died.
 */
export type TrialState = 'waiting' | 'running' | 'complete' | 'pruned' | 'failed';

/** A value that the objective reported on the way, such as the validation accuracy after an epoch. */
export interface Report {
  /** Counts what the objective counts: epochs, as a rule. Each step is reported once. */
  readonly step: number;
  /** NaN and infinities stand as they came. */
  readonly value: number;
}

/** What a study knows of a trial. */
export interface TrialRecord {
  /** Its place in the study, from 0. */
  readonly number: number;
  readonly state: TrialState;
  /** What was suggested. Empty until it is recorded, just after the trial was created. */
  readonly point: Point;
  /** The dimensions as they were when it was suggested, for trials of an earlier or a foreign space. */
  readonly dimensions: readonly Dimension[];
  /** One for each direction, once it is complete. */
  readonly values?: readonly number[];
  /** By step, rising. */
  readonly reports: readonly Report[];
  /** The objective's own notes (Optuna's user attributes). */
  readonly attributes: Readonly<Record<string, Json>>;
  /** The search's notes, such as the error of a failed trial, its budget, the trial that it continues. */
  readonly notes: Readonly<Record<string, Json>>;
  /** Milliseconds since 1970. Undefined while it waits. */
  readonly started?: number;
  readonly ended?: number;
  /** Who took it: unique for each process that works on the study. */
  readonly worker?: string;
}
