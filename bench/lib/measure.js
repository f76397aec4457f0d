'use strict';

/**
 * Measures one item on all systems, interleaved: every system has its own process, and in each round
 * they take turns. A system may spend `budgetMs` on an item, preparation included; what does not fit
 * gets a smaller batch, then fewer steps, and says so. A system that compiles prepares outside that
 * budget, within `compileBudgetMs`.
 */
const { ChildProcess } = require('./process');

const warmupSteps = 3;
const wantedSteps = 10;
/**
 * Where ten steps do not fit, warm-up and steps are first cut down to this many, then the batch: a smaller
 * batch is another workload.
 */
const fewestSteps = 5;
/**
 * Steps are asked for in portions of about this long: a killed system still has results, and a first guess of
 * its speed is corrected.
 */
const portionMs = 1000;

class Candidate {
  constructor(system, item, options) {
    this.system = system;
    this.item = item;
    this.options = options;
    this.spentMs = 0;
    this.preparationMs = 0;
    this.batch = item.batch;
    this.version = undefined;
    this.notes = [];
    this.rounds = [];
    /** Steps taken while the batch was being found: all there is when a system gets no further. */
    this.tried = undefined;
    this.warmedUp = 0;
    /** Set when the system is out: { status, reason }. */
    this.verdict = undefined;
    this.stepMs = undefined;
    /**
     * The loss of the last training step: it falls towards 0 as the batch is learnt by heart, in every system
     * that really trains.
     */
    this.loss = undefined;
  }

  get remainingMs() {
    return this.options.budgetMs - this.spentMs;
  }

  get running() {
    return this.verdict === undefined;
  }

  /** Starts the system and finds out what it can do in its time. */
  async admit() {
    if (this.system.missing !== undefined) return this.out('unsupported', this.system.missing);
    if (!this.system.probe) return this.start(this.item.batch);
    const one = await this.tryBatch(1);
    if (one === undefined) return undefined;
    const batch = await this.largestBatch(one);
    return batch === undefined || batch === this.batch ? undefined : this.start(batch);
  }

  /**
   * By a second try with more examples: a step takes fixed + each * batch. Undefined when the system is out.
   */
  async largestBatch(one) {
    const affordable = [8, 2].find((n) => n <= this.item.batch && one * n * 2 < this.remainingMs / 2);
    if (affordable === undefined) return this.fittingBatch(0, one);
    const more = await this.tryBatch(affordable);
    if (more === undefined) return undefined;
    const each = Math.max((more - one) / (affordable - 1), (0.02 * more) / affordable);
    return this.fittingBatch(Math.max(more - each * affordable, 0), each);
  }

  fittingBatch(fixed, each) {
    let batch = this.item.batch;
    while (batch > 1 && (fixed + each * batch) * fewestSteps > 0.8 * this.remainingMs)
      batch = Math.ceil(batch / 2);
    return batch;
  }

  /** Milliseconds of a step after the first one, which may compile. */
  async tryBatch(batch) {
    await this.start(batch);
    if (!this.running) return undefined;
    const first = (await this.run(1))?.[0];
    if (first === undefined) return undefined;
    this.tried = { batch, ms: first, notes: this.notes };
    // A second step must not eat the time that measuring needs.
    if (first > this.remainingMs / 4) return first;
    const second = (await this.run(1))?.[0];
    if (second !== undefined) this.tried.ms = second;
    return second;
  }

  async start(batch) {
    this.child?.kill();
    this.child = this.options.connect(this.system.launch);
    this.batch = batch;
    this.warmedUp = 0;
    const event = await this.prepare({ ...this.item, batch });
    if (event.event !== 'ready') return;
    this.version = event.version;
    this.notes = event.notes;
  }

  async prepare(item) {
    const message = { command: 'prepare', item, threads: this.options.threads };
    const spent = this.spentMs;
    const { compileBudgetMs } = this.options;
    const event = await this.request(message, this.system.compiles ? compileBudgetMs : this.remainingMs);
    this.preparationMs = this.spentMs - spent;
    if (!this.system.compiles) return event;
    this.spentMs = spent;
    if (event.event === 'timeout')
      this.out('skipped', `compilation took over ${Math.round(compileBudgetMs / 1000)} s (--compile-budget)`);
    return event;
  }

  /** Step times, or undefined when the system is out. Counts the steps as warm-up. */
  async run(steps) {
    const event = await this.request({ command: 'run', steps });
    if (event.event !== 'times') return undefined;
    this.warmedUp += steps;
    this.stepMs = median(event.ms);
    this.loss = event.loss;
    return event.ms;
  }

  async request(message, timeoutMs = this.remainingMs) {
    const before = this.options.now();
    const event = await this.child.request(message, Math.max(timeoutMs, 1));
    this.spentMs += this.options.now() - before;
    if (event.event === 'unsupported') this.out('unsupported', event.reason);
    if (event.event === 'error') this.out('error', event.message);
    if (event.event === 'timeout') this.out('timeout', `over ${Math.round(this.options.budgetMs / 1000)} s`);
    return event;
  }

  out(status, reason) {
    this.verdict = { status, reason };
    this.child?.kill();
  }

  /** One turn of `rounds` turns. */
  async turn(roundsLeft) {
    await this.warmUp(roundsLeft);
    const times = [];
    while (this.running && times.length < this.stepsOfTurn(roundsLeft, times.length)) {
      const wanted = this.stepsOfTurn(roundsLeft, times.length) - times.length;
      const likely = times.length === 0 ? wantedSteps : Math.floor(portionMs / this.stepMs);
      const portion = Math.max(1, Math.min(wanted, likely, Math.ceil(portionMs / this.stepMs)));
      const ms = await this.run(portion);
      for (const one of ms ?? []) times.push(one);
    }
    if (times.length > 0) this.rounds.push(times);
  }

  /** Three steps before the first turn, one before a later one, where there is time for it. */
  async warmUp(roundsLeft) {
    const wanted = this.rounds.length === 0 ? warmupSteps - this.warmedUp : 1;
    for (let i = 0; i < wanted && this.running; i++) {
      const known = this.stepMs ?? 0;
      if (this.warmedUp > 0 && known * (wantedSteps + roundsLeft) > this.remainingMs) return;
      await this.run(1);
    }
  }

  /** Enough for ten steps over all rounds and `secondsPerRound`, but no more than the time left allows. */
  stepsOfTurn(roundsLeft, done) {
    const { rounds, secondsPerRound } = this.options;
    const wanted = Math.max(
      Math.ceil(wantedSteps / rounds),
      Math.ceil((secondsPerRound * 1000) / this.stepMs),
    );
    const share = done + Math.floor((0.95 * this.remainingMs) / roundsLeft / this.stepMs);
    const atLeast = this.rounds.length === 0 ? 1 : 0;
    return Math.max(Math.min(wanted, share), atLeast);
  }

  result() {
    const { item, system } = this;
    const common = {
      item: item.name,
      kind: item.kind,
      system: system.name,
      precision: system.precision,
      version: this.version ?? null,
      preparationMs: this.preparationMs,
    };
    const measured = this.measured();
    if (measured === undefined) {
      const { status, reason } = this.verdict ?? { status: 'timeout', reason: 'no step in its time' };
      return { ...common, status, reason: status === 'timeout' ? `no step measured: ${reason}` : reason };
    }
    const { rounds, batch, notes } = measured;
    const ms = rounds.flat();
    const middle = median(ms);
    return {
      ...common,
      status: 'ok',
      ...valueOf(item, batch, middle),
      medianMs: middle,
      minMs: ms.reduce((least, one) => Math.min(least, one)),
      roundMediansMs: rounds.map(median),
      steps: ms.length,
      batch,
      fullBatch: item.batch,
      ...(this.loss === undefined ? {} : { loss: this.loss }),
      notes: [...notes, ...this.deviations(batch, ms.length)],
    };
  }

  /** Steps of the rounds, or where there were none, the last one of the tries. */
  measured() {
    const { rounds, batch, notes, tried } = this;
    if (rounds.length > 0) return { rounds, batch, notes };
    return tried === undefined ? undefined : { rounds: [[tried.ms]], batch: tried.batch, notes: tried.notes };
  }

  deviations(batch, steps) {
    const notes = [];
    if (batch < this.item.batch) notes.push(`batch ${batch} instead of ${this.item.batch}`);
    if (steps < wantedSteps) notes.push(`${steps} step${steps === 1 ? '' : 's'}`);
    if (this.verdict !== undefined) notes.push(`stopped: ${this.verdict.reason}`);
    return notes;
  }
}

/** The figure that is reported for a step of so many milliseconds. */
function valueOf(item, batch, ms) {
  if (item.kind === 'train') return { value: (1000 * batch) / ms, unit: 'examples/s' };
  if (item.kind === 'infer') return { value: ms, unit: 'ms' };
  return { value: item.work / ms / 1e6, unit: item.unit };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Processes and their clock; tests of the rules above have others. */
const reality = { connect: (launch) => new ChildProcess(launch), now: () => performance.now() };

/**
 * @param {import('./workloads').Item} item
 * @param {import('./systems').System[]} systems
 * @param {{ threads: number, rounds: number, secondsPerRound: number, budgetMs: number, compileBudgetMs:
 *   number, log: (line: string) => void }} given
 */
async function measureItem(item, systems, given) {
  const options = { ...reality, ...given };
  const able = systems.filter((system) => system.takes(item));
  const candidates = able.map((system) => new Candidate(system, item, options));
  try {
    for (const candidate of candidates) {
      options.log(
        `${item.name} ${candidate.system.name}: ${candidate.system.compiles ? 'compiling' : 'starting'}`,
      );
      await candidate.admit();
      options.log(`${item.name} ${candidate.system.name}: ${candidate.verdict?.status ?? 'ready'}`);
    }
    for (let round = 0; round < options.rounds; round++) {
      const running = candidates.filter((candidate) => candidate.running);
      // Nobody always runs after the same neighbour's caches.
      const order = round % 2 === 0 ? running : [...running].reverse();
      for (const candidate of order) await candidate.turn(options.rounds - round);
      options.log(`${item.name}: round ${round + 1} of ${options.rounds}`);
    }
    return candidates.map((candidate) => candidate.result());
  } finally {
    for (const candidate of candidates) candidate.child?.kill();
  }
}

module.exports = { measureItem };
