/** A trial as its objective sees it. */
import { mkdirSync } from 'node:fs';
import { OptionError, TrialPruned } from '../../errors';
import { checkKeys, clip, nonEmptyString } from '../../options';
import type { Json } from '../../settings';
import type { Callback } from '../../train/events';
import { figureOf } from '../../train/figures';
import type { Runnable } from './runnable';

/** What is known of a trial when it begins: plain data, which may go to another process. */
export interface TrialFacts<P> {
  readonly number: number;
  readonly params: P;
  readonly budget: number | undefined;
  readonly folder: string | undefined;
  readonly continues: string | undefined;
}

/** Where a trial's reports and notes go. */
export type Recorder = Pick<Runnable<never>, 'report' | 'note'>;

/** A trial as its objective sees it. */
export class Trial<P> {
  /** Its place in the study, from 0. */
  readonly number: number;
  readonly params: P;
  /** How many epochs, or whatever reports count, it is meant to run. Undefined: as many as it likes. */
  readonly budget: number | undefined;
  /**
   * The folder of the trial that this one continues, because the strategy says so or because that trial's
   * worker died; its checkpoints are there, if it got so far. Undefined: it begins anew.
   */
  readonly continues: string | undefined;
  private reason: string | undefined;

  constructor(
    private readonly recorder: Recorder,
    private readonly facts: TrialFacts<P>,
    /** Aborts where the search is to end now, and where another process has ended the trial. */
    readonly signal: AbortSignal,
  ) {
    ({ number: this.number, params: this.params, budget: this.budget, continues: this.continues } = facts);
  }

  /** A folder of its own, for checkpoints; made when it is first asked for. Undefined: the study has none. */
  get folder(): string | undefined {
    const { folder } = this.facts;
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Why a rule has stopped it. */
  get stopped(): string | undefined {
    return this.reason;
  }

  /**
   * Records a value on the way, such as the validation accuracy after an epoch, and asks the study's rules.
   * @param step counts epochs, as a rule; each is reported once
   * @throws TrialPruned where a rule stops the trial: let it pass
   */
  async report(step: number, value: number): Promise<void> {
    const reason = await this.recorder.report(this.number, step, value);
    if (reason === undefined) return;
    this.reason ??= reason;
    throw new TrialPruned(reason);
  }

  /** Records anything that JSON can hold beside the trial, up to 1 MiB. @throws OptionError */
  async note(key: string, value: Json): Promise<void> {
    await this.recorder.note(this.number, key, value);
  }

  /**
   * A callback for `fit` that reports a figure of each epoch. Training ends where a rule stops the trial,
   * which is then recorded as pruned whatever the objective returns, and fails once `signal` aborts.
   * @param options `metric`: the figure's name, such as `validationLoss` or a name in `validationMetrics`
   * @throws OptionError
   */
  callback(options: { readonly metric: string }): Callback {
    const where = 'trial.callback';
    checkKeys(where, options, ['metric']);
    const metric = nonEmptyString(where, 'metric', options.metric);
    return {
      onEvent: async (event, control) => {
        if (event.type === 'step') this.signal.throwIfAborted();
        if (event.type !== 'epoch') return;
        const value = figureOf(event, metric);
        if (value === undefined)
          throw new OptionError(`${where}: epoch ${event.epoch} has no ${clip(metric)}`);
        try {
          await this.report(event.epoch, value);
        } catch (error) {
          if (!(error instanceof TrialPruned)) throw error;
          control.stop(error.message);
        }
      },
    };
  }
}
