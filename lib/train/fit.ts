/** What `Trainer.fit` returns. Awaiting it resolves with the history; iterating it yields the events. */
import type { FitEvent, History } from './events';

/**
 * Events of one `for await`. Only the newest of several step events in a row is kept, so a slow reader
 * costs no memory.
 */
class EventQueue {
  private readonly events: FitEvent[] = [];
  private wake: (() => void) | undefined;
  private ended = false;

  push(event: FitEvent): void {
    const last = this.events.length - 1;
    if (event.type === 'step' && this.events[last]?.type === 'step') this.events[last] = event;
    else this.events.push(event);
    this.wake?.();
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  /** The next event, or undefined after the last. */
  async next(): Promise<FitEvent | undefined> {
    while (this.events.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
    return this.events.shift();
  }
}

/**
 * A run of training, already going.
 *
 * `await fit` resolves with the {@link History}, or rejects with what ended the run.
 * `for await (const event of fit)` yields the events from the moment it begins, and throws what ended the
 * run; leaving the loop early stops listening, not training.
 */
export class Fit implements PromiseLike<History>, AsyncIterable<FitEvent> {
  private readonly queues = new Set<EventQueue>();
  private readonly result: Promise<History>;

  /** Made by `Trainer.fit`. `run` begins after the caller had the chance to listen. */
  constructor(run: (emit: (event: FitEvent) => void) => Promise<History>) {
    this.result = Promise.resolve()
      .then(() => run((event) => this.queues.forEach((queue) => queue.push(event))))
      .finally(() => this.queues.forEach((queue) => queue.end()));
  }

  then<A = History, B = never>(
    onFulfilled?: ((value: History) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onFulfilled, onRejected);
  }

  /** As that of a promise of the history. */
  catch<B>(onRejected: (reason: unknown) => B | PromiseLike<B>): Promise<History | B> {
    return this.result.catch(onRejected);
  }

  /** As that of a promise of the history. */
  finally(onFinally: () => void): Promise<History> {
    return this.result.finally(onFinally);
  }

  /** The events from now on; leaving the loop stops listening, not training. */
  [Symbol.asyncIterator](): AsyncGenerator<FitEvent, void, undefined> {
    const queue = new EventQueue();
    this.queues.add(queue);
    // Also for a loop that begins after the end. What ended the run is thrown below; it does not count as
    // unhandled if no loop gets there.
    const end = (): void => queue.end();
    this.result.then(end, end);
    return this.iterate(queue);
  }

  private async *iterate(queue: EventQueue): AsyncGenerator<FitEvent, void, undefined> {
    try {
      for (let event = await queue.next(); event !== undefined; event = await queue.next()) yield event;
      await this.result;
    } finally {
      this.queues.delete(queue);
    }
  }
}
