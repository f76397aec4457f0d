'use strict';

/**
 * Preloaded by `node --require`: measures how late a timer of 5 ms is over the life of the process, and
 * writes the distribution to $TENON_LATENESS_FILE at its end.
 *
 * `ticks` counts every tick that was due, every 5 ms: a loop that stands still for 50 ms makes ten of
 * them late, by 50, 45, ... ms. `calls` counts the calls that a setInterval made, where those ten are
 * a single one.
 */
const { writeFileSync } = require('node:fs');
const { isMainThread } = require('node:worker_threads');

const PERIOD_MS = 5;

class Samples {
  #values = new Float32Array(1 << 12);
  #length = 0;

  add(value) {
    if (this.#length === this.#values.length) {
      const larger = new Float32Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  summary() {
    const sorted = this.#values.subarray(0, this.#length).sort();
    const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
  }
}

function measure(file) {
  const ticks = new Samples();
  const calls = new Samples();
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const late = Math.max(0, now - last - PERIOD_MS);
    last = now;
    calls.add(late);
    for (let ms = late; ms > 0 || ms === late; ms -= PERIOD_MS) ticks.add(ms);
  }, PERIOD_MS);
  timer.unref();
  process.on('exit', () =>
    writeFileSync(
      file,
      JSON.stringify({ periodMs: PERIOD_MS, ticks: ticks.summary(), calls: calls.summary() }),
    ),
  );
}

// Worker threads preload it, too.
if (isMainThread && process.env.TENON_LATENESS_FILE) measure(process.env.TENON_LATENESS_FILE);
