/** What training reports, to callbacks and to `for await`. */

/**
 * One epoch in numbers. Fields that do not apply (no validation set, targets that are not
 * classes) are absent.
 */
export interface EpochRecord {
  /** Counts from 1. */
  readonly epoch: number;
  /** Steps trained so far, over all epochs. */
  readonly step: number;
  /** Mean loss over the epoch's samples, each as it was when its batch was trained. */
  readonly trainLoss: number;
  /** Share of samples classified correctly, 0 to 1, likewise. */
  readonly trainAccuracy?: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  /** Training samples per second, including waits for data, without validation. */
  readonly imagesPerSecond: number;
  /** How long training stood still because samples were not decoded yet. */
  readonly dataWaitMs: number;
  /** The learning rate of the last step. */
  readonly learningRate: number;
  /** Training and validation together. */
  readonly seconds: number;
}

export interface StartEvent {
  readonly type: 'start';
  readonly epochs: number;
  /** Undefined for streams, whose length nobody knows. */
  readonly stepsPerEpoch: number | undefined;
  /** Steps trained before, when resumed. */
  readonly step: number;
  readonly parameters: number;
}

export interface StepEvent {
  readonly type: 'step';
  readonly epoch: number;
  /** Counts from 1, over all epochs. */
  readonly step: number;
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number | undefined;
  /** The loss of this step's batch. */
  readonly loss: number;
  readonly learningRate: number;
}

export interface EpochEvent extends EpochRecord {
  readonly type: 'epoch';
}

export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly directory: string;
  readonly step: number;
}

/** Something that does not stop training but should be known. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly message: string;
}

export interface DoneEvent {
  readonly type: 'done';
  readonly history: History;
}

export type FitEvent = StartEvent | StepEvent | EpochEvent | CheckpointEvent | WarningEvent | DoneEvent;

/** What a whole run of `fit` amounts to. */
export interface History {
  /** One record per epoch, including those before a resume. */
  readonly epochs: readonly EpochRecord[];
  /** Steps trained in all. */
  readonly steps: number;
  /** Why training ended. */
  readonly stopped: 'finished' | 'maxSteps' | 'timeLimit' | 'callback';
}

/** What a callback may do to the run that calls it. */
export interface FitControl {
  /** The last step that has run; undefined before the first. */
  readonly lastStep:
    { readonly step: number; readonly loss: number; readonly learningRate: number } | undefined;
  /**
   * Keeps a directory for this run until it ends, as its first `saveCheckpoint` there does. Rejects with a
   * BusyError where another run has it, in this process or another.
   */
  lockDirectory(directory: string): Promise<void>;
  /**
   * Saves a checkpoint of this moment; no further step is trained before it is written. Resolves with its
   * directory. Rejects with a BusyError where another run saves into `directory`.
   */
  saveCheckpoint(directory: string, options?: { readonly keep?: number }): Promise<string>;
  /** Ends training after the current step, as if it had finished. */
  stop(): void;
}

/** Follows a run. Its calls are awaited one after the other, so training waits for a slow one. */
export interface Callback {
  onEvent?(event: FitEvent, control: FitControl): void | Promise<void>;
  /** With `onSteps`: how many steps lie between two calls. */
  readonly everySteps?: number;
  onSteps?(step: number, control: FitControl): void | Promise<void>;
  /** Called once and last, however the run ended. A callback frees here what it holds. */
  onEnd?(): void | Promise<void>;
}
