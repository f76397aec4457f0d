/** A trial as its objective sees it. */
import { TrialPruned } from '../../errors';
import type { Json } from '../../settings';
import { NOTE } from '../study/notes';
import type { Runnable, StudyTrial } from './runnable';

export class Trial<P> {
  /** Its place in the study, from 0. */
  readonly number: number;
  readonly params: P;
  /** How many epochs, or whatever reports count, it is meant to run. Undefined: as many as it likes. */
  readonly budget: number | undefined;

  constructor(
    private readonly study: Runnable<P>,
    record: StudyTrial<P>,
    /** Aborts where the search is to end now. */
    readonly signal: AbortSignal,
  ) {
    ({ number: this.number, params: this.params } = record);
    const budget = record.notes[NOTE.budget];
    this.budget = typeof budget === 'number' ? budget : undefined;
  }

  /**
   * Records a value on the way, such as the validation accuracy after an epoch, and asks the study's rules.
   * @param step counts epochs, as a rule; each is reported once
   * @throws TrialPruned where a rule stops the trial: let it pass
   */
  async report(step: number, value: number): Promise<void> {
    const reason = await this.study.report(this.number, step, value);
    if (reason !== undefined) throw new TrialPruned(reason);
  }

  /** Records anything that JSON can hold beside the trial, up to 1 MiB. @throws OptionError */
  async note(key: string, value: Json): Promise<void> {
    await this.study.note(this.number, key, value);
  }
}
