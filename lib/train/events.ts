/** What training reports, to callbacks and to `for await`. */
import type { CallbackState, ResumedRun, SavedCallbackState } from './saved-state';
import type { Snapshot } from './snapshot';

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
  /** What the regularizers added to the loss, which `trainLoss` does not contain; likewise a mean. */
  readonly penalty?: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  /**
   * What `fit({ metrics })` measured on the validation set, by the metric's name. A value made of several
   * numbers has one entry for each: `confusion.macro.f1`.
   */
  readonly validationMetrics?: Readonly<Record<string, number>>;
  /** Training samples per second, including waits for data, without validation. */
  readonly imagesPerSecond: number;
  /** How long training stood still because samples were not decoded yet. */
  readonly dataWaitMs: number;
  /** The learning rate of the last step. */
  readonly learningRate: number;
  /** Training and validation together. */
  readonly seconds: number;
}

/** The first event of a training. */
export interface StartEvent {
  readonly type: 'start';
  readonly epochs: number;
  /** Undefined for streams, whose length nobody knows. */
  readonly stepsPerEpoch: number | undefined;
  /** Steps trained before, when resumed. */
  readonly step: number;
  /** Epochs finished before, when resumed. */
  readonly epoch: number;
  readonly parameters: number;
  /** Names of the figures that the records of this run's epochs will have, for callbacks that watch one. */
  readonly metrics: readonly string[];
}

/** The figures of a step. */
export interface StepEvent {
  readonly type: 'step';
  readonly epoch: number;
  /** Counts from 1, over all epochs. */
  readonly step: number;
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number | undefined;
  /** The loss of this step's batch, without the penalty. */
  readonly loss: number;
  /** What the regularizers added to it; absent if there are none. */
  readonly penalty?: number;
  readonly learningRate: number;
}

export interface EpochEvent extends EpochRecord {
  readonly type: 'epoch';
}

/** A checkpoint was written. */
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

/** The last event, with the history of the training. */
export interface DoneEvent {
  readonly type: 'done';
  readonly history: History;
}

/** What `fit` tells its callbacks and whoever iterates over it. */
export type FitEvent = StartEvent | StepEvent | EpochEvent | CheckpointEvent | WarningEvent | DoneEvent;

/** The best epoch of a run, by a figure that a callback watches. */
export interface BestEpoch {
  /** The figure's name: `validationLoss`. */
  readonly metric: string;
  /** Counts from 1. */
  readonly epoch: number;
  /** The figure of that epoch. */
  readonly value: number;
  /** What was compared: the figure after smoothing; `value` without. */
  readonly smoothed: number;
}

/** What a whole run of `fit` amounts to. */
export interface History {
  /** One record per epoch, including those before a resume. */
  readonly epochs: readonly EpochRecord[];
  /** Steps trained in all. */
  readonly steps: number;
  /**
   * Why training ended: 'finished', 'maxSteps', 'timeLimit', or what the callback that ended it gave as its
   * reason, such as 'earlyStopping'; 'callback' if it gave none.
   */
  readonly stopped: string;
  /** The best epoch, if a callback such as `earlyStopping` looked for it. */
  readonly best?: BestEpoch;
}

/** What a callback may do to the run that calls it. */
export interface FitControl {
  /** The last step that has run; undefined before the first. */
  readonly lastStep:
    | {
        readonly step: number;
        readonly loss: number;
        readonly penalty?: number;
        readonly learningRate: number;
      }
    | undefined;
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
  /** Ends training after the current step, as if it had finished. The first reason counts. */
  stop(reason?: string): void;
  /** Copies the weights of this moment, with buffers and averages, into `into` or a new snapshot. */
  snapshot(into?: Snapshot): Promise<Snapshot>;
  /**
   * Makes `best` the history's `best`. If `weights` are given, they are put back into the model, and into the
   * trainer's average, when training has ended and all callbacks have heard of it: after a last checkpoint,
   * from which training can continue. They are not put back if the run fails or is aborted.
   */
  keepBest(best: BestEpoch, weights?: Snapshot): void;
}

/** Follows a run. Its calls are awaited one after the other, so training waits for a slow one. */
export interface Callback {
  /** Under which checkpoints keep `state`: letters, digits, dots, dashes; one callback of a run each. */
  readonly name?: string;
  /**
   * What a resumed run has to know. Checkpoints record it. A callback with a state hears of an event before
   * those without, so that a checkpoint holds what it made of the event. Needs a name and `restore`.
   */
  state?(): CallbackState | Promise<CallbackState>;
  /**
   * Takes back what `state` returned, before the run continues and before its `start` event. The model is
   * loaded afterwards: if this throws a FormatError, nothing has changed.
   */
  restore?(state: SavedCallbackState, run: ResumedRun): void | Promise<void>;
  /** Called at each event of the training, which waits for the promise. */
  onEvent?(event: FitEvent, control: FitControl): void | Promise<void>;
  /** With `onSteps`: how many steps lie between two calls. */
  readonly everySteps?: number;
  /** Called after every `everySteps` steps. */
  onSteps?(step: number, control: FitControl): void | Promise<void>;
  /** Called once and last, however the run ended. A callback frees here what it holds. */
  onEnd?(): void | Promise<void>;
}
