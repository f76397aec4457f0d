/** A study as a page follows it: everything at first, then what has changed. */
import { randomUUID } from 'node:crypto';
import { dominates } from '../strategies/hypervolume';
import { lossesOf } from '../strategies/ranking';
import type { TrialRecord, TrialState } from '../study/trial';
import { importance } from './importance';
import { Axes, headOf, MOST, rowOf, type Head, type Row } from './page-data';
import type { Source } from './source';

/** What a page is told. */
export interface Update {
  /** What the page says at its next question. */
  readonly token: string;
  /** Whether the page forgets what it knew. */
  readonly fresh: boolean;
  /** Undefined where nothing has changed. */
  readonly head?: Head;
  readonly rows: readonly Row[];
}

/** Trials that a page begins with, besides the best. It gets those that begin later up to twice as many. */
const MOST_ROWS = 5000;
/** Points of all curves together. */
const MOST_POINTS = 200_000;
/** Trials that importance is computed from, evenly out of all. */
const MOST_JUDGED = 2000;
/** Milliseconds between two computations of it. */
const JUDGE_EVERY = 5000;

export class Feed {
  private epoch = '';
  private version = 0;
  private axes = new Axes();
  /** The trials as they were last seen, by number. */
  private records: readonly TrialRecord[] = [];
  /** How many there were when the page began. */
  private begunWith = 0;
  /** When each trial that the page shows changed last. */
  private readonly versions = new Map<number, number>();
  /** Points of a curve. */
  private points: number = MOST.points;
  /** The best complete trial, or the front of several objectives. */
  private best: TrialRecord[] = [];
  private states = countStates([]);
  private judged: Judged = NOT_JUDGED;
  private log = -1;

  constructor(private readonly source: Source) {}

  /** Reads the log. @throws as `Source.sync` */
  async refresh(): Promise<void> {
    await this.source.sync();
    const { trials, replaced } = this.source;
    const another = replaced !== this.log || trials.length < this.records.length;
    if (another || this.versions.size > 2 * MOST_ROWS) this.begin(trials.length);
    this.log = replaced;
    const last = this.records;
    const stride = Math.ceil(this.begunWith / MOST_ROWS);
    const version = this.version + 1;
    trials.forEach((trial, number) => {
      if (trial === last[number]) return;
      this.version = version;
      this.axes.add(trial.dimensions);
      const good = this.takeBest(trial);
      if (good || number >= this.begunWith || number % stride === 0 || this.versions.has(number))
        this.versions.set(number, version);
    });
    this.records = trials;
    if (this.version === version) this.states = countStates(trials);
    this.judge();
  }

  /** What has changed since a page got this token. */
  since(token: string | undefined): Update {
    const [epoch, text] = token?.split(':') ?? [];
    const fresh = epoch !== this.epoch || !/^\d{1,15}$/.test(text ?? '');
    const version = fresh ? -1 : Number(text);
    const now = { token: `${this.epoch}:${this.version}`, fresh };
    if (version >= this.version) return { ...now, rows: [] };
    const changed = [...this.versions].filter(([, when]) => when > version).map(([number]) => number);
    changed.sort((a, b) => a - b);
    const rows = changed.map((number) => rowOf(this.records[number]!, this.axes, this.points));
    const best = this.best.map(({ number }) => number).sort((a, b) => a - b);
    const facts = { states: this.states, best, importance: this.judged.shares };
    return { ...now, head: headOf(this.source, this.axes, facts), rows };
  }

  private begin(trials: number): void {
    this.epoch = randomUUID();
    this.version = 0;
    this.axes = new Axes();
    this.axes.add(this.source.dimensions);
    this.records = [];
    this.versions.clear();
    this.best = [];
    this.begunWith = trials;
    const shown = Math.min(trials, MOST_ROWS);
    this.points = Math.max(20, Math.min(MOST.points, Math.floor(MOST_POINTS / Math.max(1, shown))));
    this.judged = NOT_JUDGED;
  }

  /** Keeps the best complete trial, or the front of several objectives. Whether it is one of them now. */
  private takeBest(trial: TrialRecord): boolean {
    const { values } = trial;
    const { directions } = this.source;
    if (trial.state !== 'complete' || values?.length !== directions.length || values.some(Number.isNaN))
      return false;
    const beats = (a: TrialRecord, b: TrialRecord) =>
      dominates(lossesOf(a, directions), lossesOf(b, directions));
    if (this.best.some((other) => beats(other, trial))) return false;
    const [one] = this.best;
    if (directions.length === 1 && one !== undefined && !beats(trial, one)) return false;
    this.best = [...this.best.filter((other) => !beats(trial, other)), trial];
    return true;
  }

  private judge(): void {
    const { complete } = this.states;
    if (complete === this.judged.complete || performance.now() < this.judged.at + JUDGE_EVERY) return;
    const { directions } = this.source;
    const done = this.records.filter(({ state }) => state === 'complete');
    const stride = Math.ceil(done.length / MOST_JUDGED);
    const trials = done.filter((_, i) => i % stride === 0);
    const shares = directions.slice(0, MOST.objectives).map((_, objective) => {
      const found = importance({ trials, directions }, { objective });
      return Array.from(found, ([name, share]) => [this.axes.indexOf(name) ?? -1, share] as const);
    });
    this.judged = {
      at: performance.now(),
      complete,
      shares: shares.map((list) => list.filter(([axis, share]) => axis >= 0 && share > 0)),
    };
    this.version++;
  }
}

/** Importance, and what it was computed from. */
interface Judged {
  readonly at: number;
  readonly complete: number;
  readonly shares: Head['importance'];
}

const NOT_JUDGED: Judged = { at: -Infinity, complete: 0, shares: [] };

function countStates(trials: readonly TrialRecord[]): Record<TrialState, number> {
  const states: Record<TrialState, number> = { waiting: 0, running: 0, complete: 0, pruned: 0, failed: 0 };
  for (const { state } of trials) states[state]++;
  return states;
}
