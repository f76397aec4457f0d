/** The followers of a run: loops over its events, and its callbacks, which it awaits one after the other. */
import { performance } from 'node:perf_hooks';
import { isStateful } from './callback-state';
import type { Callback, FitControl, FitEvent, StepEvent } from './events';

/** At most one step event in this many milliseconds. */
const STEP_EVENT_MS = 100;

export class Followers {
  private lastStepEvent = -Infinity;
  private readonly callbacks: readonly Callback[];

  constructor(
    private readonly listener: (event: FitEvent) => void,
    callbacks: readonly Callback[],
    private readonly control: FitControl,
  ) {
    // Those with a state come first, so that a checkpoint that another one saves holds the new state.
    this.callbacks = [...callbacks.filter(isStateful), ...callbacks.filter((other) => !isStateful(other))];
  }

  async tell(event: FitEvent): Promise<void> {
    this.listener(event);
    for (const callback of this.callbacks) await callback.onEvent?.(event, this.control);
  }

  /** Reports a step, unless another one was reported just before. */
  async tellStep(event: StepEvent): Promise<void> {
    const now = performance.now();
    if (now - this.lastStepEvent < STEP_EVENT_MS) return;
    this.lastStepEvent = now;
    await this.tell(event);
  }

  /**
   * Calls the callbacks that are due after this many steps. Before each call, `settle` waits for the steps
   * that are queued.
   */
  async afterStep(step: number, settle: () => Promise<void>): Promise<void> {
    for (const callback of this.callbacks) {
      const every = callback.everySteps;
      if (every === undefined || step % every !== 0) continue;
      await settle();
      await callback.onSteps?.(step, this.control);
    }
  }

  end(): Promise<void> {
    return endAll(this.callbacks);
  }
}

/** Calls `onEnd` of all callbacks, whatever one of them throws. @throws the first of that */
export async function endAll(callbacks: readonly Callback[]): Promise<void> {
  const failures: unknown[] = [];
  for (const callback of callbacks) {
    try {
      await callback.onEnd?.();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
