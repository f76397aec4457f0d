/** A search as users hold it: its trials, its best, and running more of them. */
import { FormatError, OptionError } from '../../errors';
import { finite, nonEmptyString, nonNegativeInteger, show } from '../../options';
import type { Json } from '../../settings';
import { reportsOf } from '../rules/chain';
import type { Rule } from '../rules/rule';
import type { LostTrial, Outcome, Runnable, StudyTrial } from '../run/runnable';
import type { Objective } from '../run/objective';
import type { RunOptions } from '../run/options';
import { runTrials } from '../run/run';
import type { Dimension } from '../space/dimension';
import type { Space, Suggested } from '../space/parameters';
import { flatValues, pointOf, suggestionOf } from '../space/space';
import type { Strategy } from '../strategies/strategy';
import { checkJson } from './check-json';
import { bestOf, frontOf } from './front';
import { timeText, type StudyLog, type Unsigned } from './log';
import { NOTE } from './notes';
import { OP, STATE } from './operation';
import { failure, noteOperation, takeTrial } from './take';
import type { Direction, TrialRecord } from './trial';

/** What a study is made of, once it was opened and checked. */
export interface StudyParts<S> {
  readonly log: StudyLog;
  readonly name: string;
  readonly space: S;
  readonly dimensions: readonly Dimension[];
  readonly strategy: Strategy;
  readonly rules: readonly Rule[];
  readonly folder: string | undefined;
}

/** Parameters of which some are left to the strategy. */
export type Fixed<P> = P extends object ? { readonly [K in keyof P]?: Fixed<P[K]> } : P;

/** Made by `tune.study`. */
export class Study<S extends Space = Space> implements Runnable<Suggested<S>> {
  readonly space: S;
  readonly dimensions: readonly Dimension[];
  readonly strategy: Strategy;
  readonly rules: readonly Rule[];
  readonly folder: string | undefined;
  /** The name within its log: a journal or a database may hold several studies. */
  readonly studyName: string;
  private readonly log: StudyLog;
  /** By the records that they were made from, which change only with their trials. */
  private readonly shown = new WeakMap<TrialRecord, StudyTrial<Suggested<S>>>();

  constructor(parts: StudyParts<S>) {
    this.log = parts.log;
    this.studyName = parts.name;
    ({
      space: this.space,
      dimensions: this.dimensions,
      strategy: this.strategy,
      rules: this.rules,
      folder: this.folder,
    } = parts);
  }

  /** Where its log stands: a path, or a database without its password. */
  get name(): string {
    return this.log.home.name;
  }

  /** Whether each value is to be small or large. */
  get directions(): readonly Direction[] {
    return this.log.replay.directions;
  }

  /** All trials by number, as the log had them when it was last read; `sync` reads it. */
  get trials(): readonly StudyTrial<Suggested<S>>[] {
    return this.log.replay.trials.map((record) => this.show(record));
  }

  /**
   * The complete trial with the best value; of equal ones the first. Undefined while there is none.
   * @throws OptionError where the study has several objectives, which `front` is for
   */
  get best(): StudyTrial<Suggested<S>> | undefined {
    const [direction, ...others] = this.directions;
    if (direction === undefined || others.length > 0)
      throw new OptionError('study.best: the study has several objectives; study.front() has their best');
    return bestOf(this.trials, direction);
  }

  /** The complete trials that no other trial beats in every objective (the Pareto front), by number. */
  front(): readonly StudyTrial<Suggested<S>>[] {
    return frontOf(this.trials, this.directions);
  }

  /**
   * Runs trials and yields each when it has ended, also the pruned and failed ones. A study that was opened
   * again goes on where it stood, and several processes may run trials of one study.
   *
   * What the objective throws, and a value that is not a number, is recorded as the trial's failure, and the
   * search goes on. The next trial begins when the caller asks for one. Leaving the loop ends the search as
   * `signal` does.
   * @param objective a function, called in this process, one trial at a time; or the path or URL of a module
   *   whose default export is the function, which is called in worker processes
   * @param options `trials`, `minutes`: when to end; `workers`, `retries`, `grace`, `signal`
   * @throws OptionError, also for a module without an objective; FormatError, DataError, IoError where the
   *   log fails or workers cannot start; AbortedError after `signal`
   */
  run(
    objective: Objective<Suggested<S>> | string | URL,
    options: RunOptions = {},
  ): AsyncGenerator<StudyTrial<Suggested<S>>, void, undefined> {
    return runTrials(this, objective, options);
  }

  /**
   * Adds a trial with chosen parameters, which is run before new ones are suggested. What is left out is
   * left to the strategy.
   * @returns the number of the trial
   * @throws OptionError for a parameter that the space does not have, or a value outside of its range
   */
  async enqueue(params: Fixed<Suggested<S>>): Promise<number> {
    const point = pointOf('study.enqueue', this.space, params);
    return this.addWaiting({ [NOTE.fixed]: flatValues(this.dimensions, point) });
  }

  async sync(): Promise<void> {
    await this.log.sync();
  }

  async take(total = Infinity): Promise<StudyTrial<Suggested<S>> | 'wait' | undefined> {
    const { log, dimensions, strategy } = this;
    const taken = await takeTrial({ log, dimensions, strategy, total });
    return typeof taken === 'number' ? this.at(taken) : taken;
  }

  async report(trial: number, step: number, value: number): Promise<string | undefined> {
    nonNegativeInteger('trial.report', 'step', step);
    if (typeof value !== 'number')
      throw new OptionError(`trial.report: value must be a number, got ${show(value)}`);
    const [direction, ...others] = this.directions;
    if (direction === undefined || others.length > 0)
      throw new OptionError('trial.report: the study has several objectives, and reports are of one');
    const report = { op_code: OP.setReport, step, intermediate_value: value } as const;
    await this.log.append(() => this.whileRuns(trial, (trial_id) => [{ ...report, trial_id }]));
    const record = this.at(trial);
    if (record.state !== 'running') return `it was ended elsewhere: it is ${record.state}`;
    const { trials } = this.log.replay;
    const state = { trial: { ...record, reports: reportsOf(record, trials) }, trials, direction };
    for (const rule of this.rules) {
      const reason = rule.stops(state);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  async note(trial: number, key: string, value: Json): Promise<void> {
    nonEmptyString('trial.note', 'key', key);
    checkJson('trial.note', 'value', value);
    await this.log.append(() =>
      this.whileRuns(trial, (trial_id) => [
        { op_code: OP.setTrialUserAttribute, trial_id, user_attr: { [key]: value } },
      ]),
    );
  }

  async finish(trial: number, outcome: Outcome): Promise<StudyTrial<Suggested<S>>> {
    await this.log.append(() => this.whileRuns(trial, (id) => this.ending(id, trial, outcome)));
    await this.log.home.quiet(this.log.replay.idOf(trial) ?? 0);
    return this.at(trial);
  }

  async lose(trial: number, { error, retries }: LostTrial): Promise<boolean> {
    const added = await this.log.append(() =>
      this.whileRuns(trial, (trial_id) => {
        const { notes, point, dimensions } = this.at(trial);
        const lost = [noteOperation(trial_id, NOTE.lost, true), ...failure(trial_id, error)];
        const tried = Number(notes[NOTE.retries] ?? 0);
        if (retries !== undefined && !(tried < retries)) return lost;
        const again = {
          ...notes,
          [NOTE.fixed]: flatValues(dimensions, point),
          [NOTE.retries]: retries === undefined ? tried : tried + 1,
          [NOTE.retryOf]: trial,
        };
        return [...lost, this.waiting(again)];
      }),
    );
    await this.log.home.quiet(this.log.replay.idOf(trial) ?? 0);
    return added > 0;
  }

  async beat(trial: number): Promise<void> {
    const id = this.log.replay.idOf(trial);
    if (id !== undefined) await this.log.home.beat(id, this.log.worker);
  }

  async running(): Promise<
    readonly { readonly trial: StudyTrial<Suggested<S>>; readonly age: number | undefined }[]
  > {
    const beats = await this.log.home.heartbeats();
    await this.log.sync();
    const ages = new Map(beats.map(({ trial, age }) => [this.log.replay.numberOf(trial), age]));
    const trials = this.trials.filter(({ state }) => state === 'running');
    return trials.map((trial) => ({ trial, age: ages.get(trial.number) }));
  }

  /** Closes the log. Trials that run in other processes go on. */
  async close(): Promise<void> {
    await this.log.home.close();
  }

  private at(number: number): StudyTrial<Suggested<S>> {
    const record = this.log.replay.trial(number);
    if (record === undefined)
      throw new FormatError(`${this.name}: the trial ${number} is gone; was the study deleted?`);
    return this.show(record);
  }

  private show(record: TrialRecord): StudyTrial<Suggested<S>> {
    const known = this.shown.get(record);
    if (known !== undefined) return known;
    const params = suggestionOf(this.space, record.point);
    const value = record.values?.[0];
    const trial = Object.freeze({ ...record, params, ...(value === undefined ? {} : { value }) });
    this.shown.set(record, trial);
    return trial;
  }

  /** Nothing, where somebody has ended the trial meanwhile. */
  private whileRuns(trial: number, then: (id: number) => readonly Unsigned[]): readonly Unsigned[] {
    const id = this.log.replay.idOf(trial);
    return id !== undefined && this.log.replay.trial(trial)?.state === 'running' ? then(id) : [];
  }

  private ending(trial_id: number, trial: number, outcome: Outcome): readonly Unsigned[] {
    if (outcome.state === 'failed') return failure(trial_id, outcome.error);
    const state = { op_code: OP.setStateAndValues, trial_id, datetime_complete: timeText() } as const;
    if (outcome.state === 'complete') {
      outcome.values.forEach((value, i) => finite('study.finish', `value ${i}`, value));
      return [{ ...state, state: STATE.complete, values: outcome.values }];
    }
    // As Optuna does, the last report stands for the value of a pruned trial.
    const last = this.at(trial).reports.at(-1)?.value;
    const values = last === undefined || Number.isNaN(last) ? null : [last];
    const reason = noteOperation(trial_id, NOTE.reason, outcome.reason);
    return [reason, { ...state, state: STATE.pruned, values }];
  }

  private async addWaiting(notes: Readonly<Record<string, Json>>): Promise<number> {
    let number = 0;
    await this.log.append(() => {
      number = this.log.replay.size;
      return [this.waiting(notes)];
    });
    return number;
  }

  private waiting(notes: Readonly<Record<string, Json>>): Unsigned {
    return {
      op_code: OP.createTrial,
      study_id: this.log.replay.id ?? 0,
      datetime_start: null,
      state: STATE.waiting,
      value: null,
      values: null,
      distributions: {},
      params: {},
      user_attrs: {},
      system_attrs: notes,
      intermediate_values: {},
    };
  }
}
