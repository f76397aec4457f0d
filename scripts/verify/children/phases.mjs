/**
 * What the phases of a job take: seconds, processor seconds, memory, and how late a timer of this thread is.
 * A busy machine makes timers late, too, so a thread that does nothing else keeps one beside it, and where
 * the system tells, the time that this thread itself was on a processor during its longest delay is told.
 */
import { openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const PERIOD_MS = 1;

/** The idle thread: writes its longest delay into shared memory. */
const CONTROL = `
const { workerData } = require('node:worker_threads');
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  workerData[0] = Math.max(workerData[0], now - last - ${PERIOD_MS});
  last = now;
}, ${PERIOD_MS});`;

/** Returns the milliseconds that the main thread has been on a processor; undefined if nobody tells. */
function threadClock() {
  try {
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`);
    const bytes = Buffer.alloc(64);
    return () => parseInt(bytes.toString('latin1', 0, readSync(file, bytes, 0, 64, 0)), 10) / 1e6;
  } catch {
    return () => NaN;
  }
}

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export class Phases {
  #done = [];
  #name;
  #begun;
  #processor;
  #longest;
  #control = new Float64Array(new SharedArrayBuffer(8));
  #clock = threadClock();
  #last = performance.now();
  #lastOnProcessor = this.#clock();
  #timer = setInterval(() => this.#look(), PERIOD_MS);
  #worker = new Worker(CONTROL, { eval: true, workerData: this.#control });

  static async begin() {
    const phases = new Phases();
    await sleep(200); // the worker has started
    return phases;
  }

  /** How many phases have ended. */
  get count() {
    return this.#done.length;
  }

  /** A phase of what `work` does. */
  async measure(name, work) {
    await this.next(name);
    const result = await work();
    await this.end();
    return result;
  }

  /** Ends the phase that is going on, if any, and begins another. */
  async next(name) {
    await this.end();
    await this.#tick();
    this.#name = name;
    this.#begun = performance.now();
    this.#processor = processorMs();
    this.#longest = { ms: 0, onProcessor: 0 };
    this.#control[0] = 0;
  }

  async end() {
    if (this.#name === undefined) return;
    const ended = performance.now();
    const processor = processorMs();
    await this.#tick();
    this.#done.push({
      name: this.#name,
      seconds: (ended - this.#begun) / 1000,
      processorSeconds: (processor - this.#processor) / 1000,
      longestDelay: this.#longest,
      idleDelayMs: this.#control[0],
      peakBytes: process.resourceUsage().maxRSS * 1024,
    });
    this.#name = undefined;
  }

  async close() {
    clearInterval(this.#timer);
    await this.#worker.terminate();
    return this.#done;
  }

  /** Waits until the timer has seen what has just held it up. */
  #tick() {
    return sleep(2 * PERIOD_MS);
  }

  #look() {
    const now = performance.now();
    const onProcessor = this.#clock();
    const ms = now - this.#last - PERIOD_MS;
    if (this.#name !== undefined && ms > this.#longest.ms)
      this.#longest = { ms, onProcessor: onProcessor - this.#lastOnProcessor };
    this.#last = now;
    this.#lastOnProcessor = onProcessor;
  }
}
