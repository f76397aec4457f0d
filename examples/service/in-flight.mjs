// @ts-check
/** Requests that are being received or worked on: how many there may be, and what ends them early. */
import { Failure } from './failures.mjs';

/**
 * A request's place. It is taken until the response has ended, or broken off, and its work has ended, too.
 */
export class Place {
  #holders = 1;
  #controller = new AbortController();
  #freed;

  /**
   * @param {import('node:http').ServerResponse} response
   * @param {{ freed: () => void, left: () => void }} events
   */
  constructor(response, { freed, left }) {
    this.#freed = freed;
    // Not the 'close' of the request, nor Fastify's request.signal: they come when the body has been read.
    response.once('close', () => {
      if (!response.writableFinished) {
        left();
        this.#controller.abort(new Failure(499, 'CLIENT_LEFT', 'the client left'));
      }
      this.#release();
    });
  }

  /**
   * Does the request's work. Its signal fires when the client leaves, or after so many milliseconds. The
   * promise then rejects at once, but work that cannot be broken off still keeps the place.
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} work
   * @param {number} milliseconds
   * @returns {Promise<T>}
   */
  async hold(work, milliseconds) {
    const { signal } = this.#controller;
    const late = () =>
      this.#controller.abort(
        new Failure(503, 'TIMEOUT', `no answer within ${milliseconds} ms`, { retryAfter: 1 }),
      );
    const timer = setTimeout(late, milliseconds);
    this.#holders++;
    const done = work(signal).finally(() => {
      clearTimeout(timer);
      this.#release();
    });
    return Promise.race([done, rejectionBy(signal)]);
  }

  #release() {
    if (--this.#holders === 0) this.#freed();
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function rejectionBy(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

export class InFlight {
  #count = 0;

  /** @param {number} most */
  constructor(most) {
    this.most = most;
  }

  get count() {
    return this.#count;
  }

  /**
   * @param {import('node:http').ServerResponse} response
   * @param {() => void} left called when the client leaves before it is answered
   * @throws {Failure} when all places are taken
   */
  enter(response, left) {
    if (this.#count >= this.most)
      throw new Failure(503, 'BUSY', `${this.most} requests are in flight`, { retryAfter: 1 });
    this.#count++;
    return new Place(response, { freed: () => this.#count--, left });
  }
}
