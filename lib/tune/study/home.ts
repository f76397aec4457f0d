/** Where a study's log stands: in memory, in a journal file, in a database. */
import type { Operation } from './operation';

/** A worker's sign of life. Not part of the log: Optuna's journal has none. */
export interface Heartbeat {
  /** The trial's number across the log, as in operations. */
  readonly trial: number;
  readonly worker: string;
  /** Milliseconds since it was given, by the clock of the home or of its files, never of the reader. */
  readonly age: number;
}

export interface Home {
  /** What errors call it: a path, or a database without its password. */
  readonly name: string;

  /**
   * Reads the operations from number `from` on, in order. A line that is not whole yet does not count.
   * @throws FormatError for a log that is damaged or not one
   */
  read(from: number): Promise<readonly Operation[]>;

  /**
   * Appends what `decide` returns, while nobody else appends. `decide` is shown the operations from number
   * `from` on, so that it decides by what is true now; it may be called again where the home has to try
   * again, and returns an empty list to append nothing. Resolves with what was read and then appended, once
   * that survives a loss of power.
   * @throws FormatError, DataError where the home cannot be reached or is full, and what `decide` throws
   */
  append(
    from: number,
    decide: (fresh: readonly Operation[]) => readonly Operation[],
  ): Promise<readonly Operation[]>;

  /** Says that the worker of a running trial lives. Called every few seconds. */
  beat(trial: number, worker: string): Promise<void>;
  /** The last beat of each trial that beats and has not ended. */
  heartbeats(): Promise<readonly Heartbeat[]>;
  /** Forgets the beats of a trial that ended. */
  quiet(trial: number): Promise<void>;

  /** Closes files and connections. */
  close(): Promise<void>;
}
