/** Where trials run, one at a time in each: in this process, or in one of its own. */
import { outcomeOf, type Objective } from './objective';
import type { Outcome } from './runnable';
import { Trial, type Recorder, type TrialFacts } from './trial';

/** `lost`: its process died. */
export type Ended = Outcome | { readonly state: 'lost'; readonly error: string };

export interface Place<P> {
  /**
   * Resolves once a trial can begin, or once nobody wants that any more.
   * @throws OptionError where none ever can
   */
  ready(isWanted: () => boolean): Promise<void>;
  /** Never rejects for what the objective does. */
  perform(facts: TrialFacts<P>, signal: AbortSignal): Promise<Ended>;
  close(): void;
}

export class OwnProcess<P> implements Place<P> {
  constructor(
    private readonly recorder: Recorder,
    private readonly objective: Objective<P>,
    private readonly directions: number,
  ) {}

  async ready(): Promise<void> {
    // This process is running.
  }

  perform(facts: TrialFacts<P>, signal: AbortSignal): Promise<Ended> {
    return outcomeOf(this.objective, new Trial(this.recorder, facts, signal), this.directions);
  }

  close(): void {
    // Nothing was opened.
  }
}
