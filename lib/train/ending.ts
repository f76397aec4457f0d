/** When a run ends before its last epoch, and why: a limit, a signal, or what a callback asks for. */
import { performance } from 'node:perf_hooks';
import { AbortedError } from '../errors';
import { nonEmptyString } from '../options';
import type { Ranks } from './ranks';

/** What may end a run. */
export interface EndingOptions {
  readonly signal: AbortSignal | undefined;
  readonly maxSteps: number;
  readonly timeLimitMs: number;
}

/** What a rank wants. */
interface Wish {
  readonly aborted: boolean;
  /** Null: to go on. */
  readonly reason: string | null;
}

/**
 * In a world, all ranks end after the same step. What one of them wants goes with its next step to the
 * others, who then ask each other; while no step is queued they do so at once.
 */
export class Ending {
  /** Why the run ends; undefined while it goes on. */
  reason: string | undefined;
  private wanted: string | undefined;
  /** Whether the ranks have to ask each other. */
  private unsettled = true;
  private readonly begun = performance.now();

  constructor(
    private readonly options: EndingOptions,
    private readonly ranks: Ranks | undefined,
  ) {}

  /** What ends steps that are queued; undefined in a world, where a step ends on all ranks or on none. */
  get signal(): AbortSignal | undefined {
    return this.ranks === undefined ? this.options.signal : undefined;
  }

  /** Whether this process wants the run to end. */
  get asks(): boolean {
    return this.aborted || this.wish() !== undefined;
  }

  /** Wants the run to end after the current step. The first reason counts. */
  stop(reason: string): void {
    this.wanted ??= nonEmptyString('stop', 'reason', reason);
  }

  /** Has the ranks ask each other before the next step. All of them call it behind the same step. */
  settle(): void {
    this.unsettled = true;
  }

  /**
   * Whether the run ends after `step` steps.
   * @param drain waits for the steps that are queued
   * @throws AbortedError once the signal has fired and queued steps have ended
   */
  async reached(step: number, drain: () => Promise<void>): Promise<boolean> {
    const { ranks, options } = this;
    if (ranks !== undefined) {
      if (this.unsettled) await this.agree(ranks, step, drain);
    } else {
      if (this.aborted) {
        await drain();
        throw this.abortion(step);
      }
      this.reason ??= this.wanted;
    }
    if (step >= options.maxSteps) this.reason ??= 'maxSteps';
    if (ranks === undefined) this.reason ??= this.wish();
    return this.reason !== undefined;
  }

  /** The error that a run ends with whose signal has fired. */
  abortion(step: number): AbortedError {
    return new AbortedError(`fit: aborted after step ${step}`, { cause: this.options.signal?.reason });
  }

  private get aborted(): boolean {
    return this.options.signal?.aborted === true;
  }

  private async agree(ranks: Ranks, step: number, drain: () => Promise<void>): Promise<void> {
    await drain();
    this.unsettled = false;
    const wishes = await ranks.gather<Wish>({ aborted: this.aborted, reason: this.wish() ?? null });
    const aborting = wishes.findIndex(({ aborted }) => aborted);
    if (wishes[ranks.rank]!.aborted) throw ranks.agreed(this.abortion(step));
    if (aborting >= 0)
      throw ranks.agreed(new AbortedError(`fit: aborted by ${ranks.name(aborting)} after step ${step}`));
    this.reason ??= wishes.find(({ reason }) => reason !== null)?.reason ?? undefined;
  }

  private wish(): string | undefined {
    if (performance.now() - this.begun >= this.options.timeLimitMs) this.wanted ??= 'timeLimit';
    return this.wanted;
  }
}
