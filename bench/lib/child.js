'use strict';

/**
 * The child's side of the protocol: JSON lines, commands on stdin and events on stdout.
 *
 *   {"command":"prepare","item":{...},"threads":2}  ->  {"event":"ready","version":"1.2.3","notes":[...]}
 *                                                   or  {"event":"unsupported","reason":"..."}
 *   {"command":"run","steps":4}                     ->  {"event":"times","ms":[...],"loss":2.3}  (loss: of the last training step)
 *   (anything that fails)                           ->  {"event":"error","message":"..."}
 *
 * The parent ends a child by closing its stdin or killing it.
 */
const readline = require('node:readline');

/** Thrown by an adapter that cannot do an item; the reason is printed beside it. */
class Unsupported extends Error {}

function emit(event) {
  process.stdout.write(JSON.stringify(event) + '\n');
}

function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

/** Times of `steps` steps, each from the end of the one before, and what the last one returned. */
async function timeSteps(step, steps) {
  const ms = [];
  let last;
  let before = performance.now();
  for (let i = 0; i < steps; i++) {
    last = step();
    if (isThenable(last)) last = await last;
    const now = performance.now();
    ms.push(now - before);
    before = now;
  }
  return { ms, last };
}

/**
 * Settled steps reach JavaScript in bunches when they are short: a time is then the mean over at
 * least this long.
 */
const bunchMs = 10;

/** As timeSteps, with one step queued ahead of the one waited for. */
async function timeQueuedSteps(step, steps) {
  const ms = [];
  let last;
  let before = performance.now();
  let pending = step();
  for (let i = 0; i < steps; i++) {
    const next = i + 1 < steps ? step() : undefined;
    last = await pending;
    pending = next;
    const elapsed = performance.now() - before;
    if (elapsed < bunchMs && i + 1 < steps) continue;
    const settled = i + 1 - ms.length;
    for (let k = 0; k < settled; k++) ms.push(elapsed / settled);
    before += elapsed;
  }
  return { ms, last };
}

/**
 * As timeSteps, by a clock of the system's own: `clock()` returns the milliseconds it has computed
 * since its start.
 */
function timeByClock(step, clock, steps) {
  const ms = [];
  for (let i = 0; i < steps; i++) {
    const before = clock();
    step();
    ms.push(clock() - before);
  }
  return { ms };
}

function timing({ step, queued, clock }, steps) {
  if (clock !== undefined) return timeByClock(step, clock, steps);
  return queued ? timeQueuedSteps(step, steps) : timeSteps(step, steps);
}

/**
 * Serves one adapter.
 * @param {(item: import('./workloads').Item, options: { threads: number }) => Promise<{ version: string,
 *   notes?: string[], step: () => unknown, queued?: boolean, clock?: () => number, loss?: (last: unknown) =>
 *   number }>} prepare `loss` reads the loss from what a step returned, outside the timing
 */
function serve(prepare) {
  let prepared;
  const handle = async (message) => {
    if (message.command === 'prepare') {
      prepared = await prepare(message.item, { threads: message.threads });
      emit({ event: 'ready', version: prepared.version, notes: prepared.notes ?? [] });
    } else {
      const { ms, last } = await timing(prepared, message.steps);
      emit({ event: 'times', ms, loss: prepared.loss?.(last) });
    }
  };
  const lines = readline.createInterface({ input: process.stdin });
  let queue = Promise.resolve();
  lines.on('line', (line) => {
    queue = queue.then(() => handle(JSON.parse(line))).catch(report);
  });
  lines.on('close', () => process.exit(0));
}

function report(error) {
  if (error instanceof Unsupported) emit({ event: 'unsupported', reason: error.message });
  else emit({ event: 'error', message: error?.stack ?? String(error) });
}

module.exports = { serve, Unsupported };
