/** What `study.run` takes. */
import { OptionError } from '../../errors';
import { checkKeys, checkSignal, nonNegativeInteger, positive, positiveInteger } from '../../options';

/** Options of `study.run`. */
export interface RunOptions {
  /**
   * How many trials to run now. A trial whose worker died does not count where its point is tried again.
   * Default: until the strategy has come to its end.
   */
  readonly trials?: number;
  /**
   * No trial begins once the study has so many, whoever ran them. A trial that tries the point of another one
   * again does not count. Default: no limit.
   */
  readonly total?: number;
  /** No trial begins after so many minutes; those that run then are finished. Default: no limit. */
  readonly minutes?: number;
  /**
   * For how many minutes a trial may run, at most 35,000. `trial.signal` aborts then, and its worker is
   * killed 10 seconds later; a trial that does not return a value is recorded as failed. Default: no limit.
   */
  readonly trialMinutes?: number;
  /**
   * How many trials run at once, each in a process of its own, for an objective that is a module. The
   * threads of this process are divided among them. Default 1.
   */
  readonly workers?: number;
  /** How many times the point of a trial is tried again after its worker died. Default 0. */
  readonly retries?: number;
  /** Seconds without a heartbeat after which a worker of any process counts as dead. Default 60. */
  readonly grace?: number;
  /**
   * Ends the search. Trials that run see it as `trial.signal`, and workers are killed 10 seconds later. The
   * points of trials that fail then are enqueued again, for the next run of the study.
   */
  readonly signal?: AbortSignal;
}

export interface RunSettings {
  readonly trials: number;
  readonly total: number;
  /** Milliseconds. */
  readonly limit: number;
  /** For how many milliseconds a trial may run. */
  readonly trialLimit: number;
  /** Undefined: not given. */
  readonly workers: number | undefined;
  readonly retries: number;
  /** Milliseconds. */
  readonly grace: number;
  readonly signal: AbortSignal;
}

const WHERE = 'study.run';
const MOST_WORKERS = 1024;
/** A timer of Node's takes no more than 2^31 milliseconds. */
const MOST_TRIAL_MINUTES = 35_000;

/** @throws OptionError */
export function readRunOptions(options: RunOptions): RunSettings {
  const known = ['trials', 'total', 'minutes', 'trialMinutes', 'workers', 'retries', 'grace', 'signal'];
  checkKeys(WHERE, options, known);
  const { trials, total, minutes, trialMinutes, workers, retries = 0, grace = 60, signal } = options;
  if (workers !== undefined && positiveInteger(WHERE, 'workers', workers) > MOST_WORKERS)
    throw new OptionError(`${WHERE}: workers must be at most ${MOST_WORKERS}, got ${workers}`);
  if (trialMinutes !== undefined && positive(WHERE, 'trialMinutes', trialMinutes) > MOST_TRIAL_MINUTES)
    throw new OptionError(
      `${WHERE}: trialMinutes must be at most ${MOST_TRIAL_MINUTES}, got ${trialMinutes}`,
    );
  return {
    trials: trials === undefined ? Infinity : positiveInteger(WHERE, 'trials', trials),
    total: total === undefined ? Infinity : positiveInteger(WHERE, 'total', total),
    limit: minutes === undefined ? Infinity : positive(WHERE, 'minutes', minutes) * 60_000,
    trialLimit: (trialMinutes ?? Infinity) * 60_000,
    workers,
    retries: nonNegativeInteger(WHERE, 'retries', retries),
    grace: positive(WHERE, 'grace', grace) * 1000,
    signal: checkSignal(WHERE, signal) ?? new AbortController().signal,
  };
}
