/** Signs of life of the trials that run here, and an eye on those of others. */
import { isWorkerHere } from '../study/log';
import type { RunSettings } from './options';
import type { Runnable, StudyTrial } from './runnable';

/** Milliseconds between two beats, unless the grace time asks for more of them. */
const BEAT = 5000;
const BEATS_IN_GRACE = 4;

export class Tending<P> {
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private found: { readonly error: unknown } | undefined;
  /** When trials were first seen that have never beaten, by the clock of this process. */
  private readonly seen = new Map<number, number>();

  constructor(
    private readonly study: Runnable<P>,
    private readonly settings: RunSettings,
    /** The trials that run here. */
    private readonly own: ReadonlyMap<number, { readonly controller: AbortController }>,
  ) {}

  /** Tends once, and from then on until it is closed. @throws where the log fails */
  async begin(): Promise<void> {
    await this.tend();
    this.schedule();
  }

  /** @throws what went wrong meanwhile */
  check(): void {
    if (this.found !== undefined) throw this.found.error;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** Whether other processes run trials, which may come back if those die. */
  get others(): boolean {
    return this.study.trials.some((trial) => trial.state === 'running' && this.isOfOthers(trial));
  }

  private isOfOthers({ number, worker }: StudyTrial<P>): boolean {
    return !this.own.has(number) && isWorkerHere(worker);
  }

  private schedule(): void {
    if (this.closed) return;
    const wait = Math.min(BEAT, this.settings.grace / BEATS_IN_GRACE);
    this.timer = setTimeout(() => {
      this.tend()
        .then(() => this.schedule())
        .catch((error: unknown) => (this.found = { error }));
    }, wait).unref();
  }

  private async tend(): Promise<void> {
    const own = [...this.own];
    for (const [number] of own) await this.study.beat(number);
    const running = await this.study.running();
    const numbers = new Set(running.map(({ trial }) => trial.number));
    for (const [number, { controller }] of own) if (!numbers.has(number)) controller.abort();
    for (const { trial, age } of running) {
      if (this.closed || !this.isOfOthers(trial)) continue;
      if ((age ?? this.unheard(trial.number)) <= this.settings.grace) continue;
      const error = `its worker was not heard of for ${this.settings.grace / 1000} seconds`;
      await this.study.lose(trial.number, { error, retries: this.settings.retries });
      this.seen.delete(trial.number);
    }
  }

  /** For how long a trial that has never beaten has been seen here. */
  private unheard(trial: number): number {
    const now = performance.now();
    const since = this.seen.get(trial) ?? now;
    this.seen.set(trial, since);
    return now - since;
  }
}
