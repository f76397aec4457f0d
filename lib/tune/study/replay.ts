/**
 * One study of a log, as the operations so far leave it. What an operation does, and when it does nothing, is
 * as in Optuna's JournalStorageReplayResult (optuna 5, optuna/storages/journal/_storage.py).
 */
import { FormatError } from '../../errors';
import { clip, messageOf } from '../../options';
import type { Json } from '../../settings';
import type { Dimension, Domain } from '../space/dimension';
import { sameDomain } from '../space/domain';
import { fromDistribution, isCompatible } from './distribution';
import { DIRECTION, OP, STATE, type Operation } from './operation';
import type { Direction, TrialRecord, TrialState } from './trial';
import { ReplayedTrial } from './trial-state';

/** The most trials of all studies of a log together, so that a log from elsewhere cannot fill the memory. */
const MOST_TRIALS = 200_000;
/** Different lists of dimensions and different distributions that are kept for sharing. */
const MOST_SHARED = 1000;

const STATES: readonly TrialState[] = ['running', 'complete', 'pruned', 'failed', 'waiting'];

type Of<Code extends Operation['op_code']> = Extract<Operation, { readonly op_code: Code }>;

export class Replay {
  /** How many operations it has seen. */
  count = 0;
  /** The study's number across the log. Undefined while there is none of this name. */
  id: number | undefined;
  directions: readonly Direction[] = [];
  /** The study's system attributes. */
  readonly notes = new Map<string, Json>();
  readonly attributes = new Map<string, Json>();
  private readonly own: ReplayedTrial[] = [];
  /** By the trial's number across the log; undefined for those of other studies. */
  private readonly byId: (ReplayedTrial | undefined)[] = [];
  /** Names of the studies by their numbers. Deleted ones are taken out. */
  private readonly studies = new Map<number, string>();
  private nextStudy = 0;
  private readonly firstDomains = new Map<string, Domain>();
  private readonly distributions = new Map<string, Domain>();
  private readonly shared: (readonly Dimension[])[] = [];

  /**
   * @param where what messages call the log
   * @param name the study's
   * @param dimensions those of the space that is searched now: trials of the same domains share them
   */
  constructor(
    private readonly where: string,
    readonly name: string,
    private dimensions: readonly Dimension[] = [],
  ) {}

  /** Says which space is searched from now on. */
  search(dimensions: readonly Dimension[]): void {
    this.dimensions = dimensions;
    this.shared.length = 0;
  }

  /** The names of all studies in the log. */
  get names(): readonly string[] {
    return [...this.studies.values()];
  }

  /** The number across the log that the next study gets. */
  get nextStudyId(): number {
    return this.nextStudy;
  }

  /** How many trials the study has. */
  get size(): number {
    return this.own.length;
  }

  /** All trials of the study by number. */
  get trials(): readonly TrialRecord[] {
    return this.own.map((trial) => this.recordOf(trial));
  }

  /** The trial of a number within the study. */
  trial(number: number): TrialRecord | undefined {
    const trial = this.own[number];
    return trial && this.recordOf(trial);
  }

  firstWaiting(): TrialRecord | undefined {
    const trial = this.own.find(({ state }) => state === 'waiting');
    return trial && this.recordOf(trial);
  }

  /** The number across the log of a trial of this study. */
  idOf(number: number): number | undefined {
    return this.own[number]?.id;
  }

  /** The way back; undefined for trials of other studies. */
  numberOf(id: number): number | undefined {
    return this.byId[id]?.number;
  }

  /** @throws FormatError naming the line, which is then the first that was not taken in */
  apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      try {
        this.take(operation);
      } catch (error) {
        const line = `${clip(this.where)}, line ${this.count + 1}`;
        throw new FormatError(`${line}: ${messageOf(error)}`, { cause: error });
      }
      this.count++;
    }
  }

  private take(operation: Operation): void {
    switch (operation.op_code) {
      case OP.createStudy:
        return this.createStudy(operation);
      case OP.deleteStudy:
        return this.deleteStudy(operation.study_id);
      case OP.setStudyUserAttribute:
        return this.setStudy(operation.study_id, this.attributes, operation.user_attr);
      case OP.setStudySystemAttribute:
        return this.setStudy(operation.study_id, this.notes, operation.system_attr);
      case OP.createTrial:
        return this.createTrial(operation);
      case OP.discardTrials:
        return;
      default:
        return this.changeTrial(operation);
    }
  }

  private createStudy({ study_name: name, directions }: Of<0>): void {
    if ([...this.studies.values()].includes(name)) return;
    const id = this.nextStudy++;
    if (this.studies.size >= MOST_SHARED) throw new Error(`it holds more than ${MOST_SHARED} studies`);
    this.studies.set(id, name);
    if (name !== this.name) return;
    if (directions.length === 0 || directions.some((direction) => direction === 0))
      throw new Error(`the study ${clip(name)} does not say which way its values are to go`);
    this.id = id;
    this.directions = directions.map((one) => (one === DIRECTION.maximize ? 'maximize' : 'minimize'));
  }

  private deleteStudy(id: number): void {
    this.studies.delete(id);
    if (id !== this.id) return;
    this.id = undefined;
    this.directions = [];
    for (const kept of [this.notes, this.attributes, this.firstDomains]) kept.clear();
    for (const trial of this.own) this.byId[trial.id] = undefined;
    this.own.length = 0;
  }

  private setStudy(id: number, into: Map<string, Json>, entries: Readonly<Record<string, Json>>): void {
    if (id !== this.id) return;
    for (const [key, value] of Object.entries(entries)) into.set(key, value);
  }

  private createTrial(operation: Of<4>): void {
    if (!this.studies.has(operation.study_id)) return;
    const id = this.byId.length;
    if (id >= MOST_TRIALS) throw new Error(`it holds more than ${MOST_TRIALS} trials`);
    if (operation.study_id !== this.id) {
      this.byId.push(undefined);
      return;
    }
    const trial = new ReplayedTrial(this.own.length, id);
    this.fill(trial, operation);
    this.byId.push(trial);
    this.own.push(trial);
  }

  private fill(trial: ReplayedTrial, operation: Of<4>): void {
    const { distributions = {}, params = {}, value, values } = operation;
    trial.state = stateOf(operation.state ?? STATE.running);
    trial.started = timeOf(operation.datetime_start);
    trial.ended = timeOf(operation.datetime_complete);
    trial.values = values ?? (typeof value === 'number' ? [value] : undefined);
    if (trial.state === 'running') trial.worker = operation.worker_id;
    for (const [name, number] of Object.entries(params)) {
      const text = Object.hasOwn(distributions, name) ? distributions[name] : undefined;
      if (text === undefined) throw new Error(`the parameter ${clip(name)} has no distribution`);
      this.setParameter(trial, name, number, this.domainOf(text));
    }
    trial.attribute(operation.user_attrs ?? {});
    trial.note(operation.system_attrs ?? {});
    for (const [step, reported] of Object.entries(operation.intermediate_values ?? {}))
      trial.report(stepOf(step), reported);
  }

  private changeTrial(operation: Of<5 | 6 | 7 | 8 | 9>): void {
    const trial = this.byId[operation.trial_id];
    if (trial === undefined || trial.hasEnded) return;
    trial.changed();
    switch (operation.op_code) {
      case OP.setParameter: {
        const { param_name: name, param_value_internal: value, distribution } = operation;
        const domain = this.domainOf(distribution);
        const first = this.firstDomains.get(name);
        if (first === undefined || isCompatible(first, domain)) this.setParameter(trial, name, value, domain);
        return;
      }
      case OP.setStateAndValues:
        return this.setState(trial, operation);
      case OP.setReport:
        return trial.report(operation.step, operation.intermediate_value);
      case OP.setTrialUserAttribute:
        return trial.attribute(operation.user_attr);
      case OP.setTrialSystemAttribute:
        return trial.note(operation.system_attr);
    }
  }

  private setState(trial: ReplayedTrial, operation: Of<6>): void {
    const state = stateOf(operation.state);
    // Somebody else has taken it.
    if (state === 'running' && trial.state === 'running') return;
    trial.state = state;
    if (state === 'running') {
      trial.started = timeOf(operation.datetime_start);
      trial.worker = operation.worker_id;
    }
    if (trial.hasEnded) trial.ended = timeOf(operation.datetime_complete);
    if (operation.values !== null) trial.values = operation.values;
  }

  private setParameter(trial: ReplayedTrial, name: string, value: number, domain: Domain): void {
    const usable =
      domain.type === 'choice'
        ? Number.isInteger(value) && value >= 0 && value < domain.choices.length
        : Number.isFinite(value);
    if (!usable)
      throw new Error(`the parameter ${clip(name)} is ${value}, which its distribution does not have`);
    if (!this.firstDomains.has(name)) this.firstDomains.set(name, domain);
    trial.set(name, value, domain);
  }

  private domainOf(text: string): Domain {
    let domain = this.distributions.get(text);
    if (domain === undefined) {
      domain = fromDistribution(text);
      if (this.distributions.size >= MOST_SHARED) this.distributions.clear();
      this.distributions.set(text, domain);
    }
    return domain;
  }

  private recordOf(trial: ReplayedTrial): TrialRecord {
    return trial.record((domains) => this.dimensionsOf(domains));
  }

  /**
   * The dimensions of a trial. The log does not say which depend on which: those of the space that is
   * searched now do as they do there.
   */
  private dimensionsOf(domains: readonly (readonly [string, Domain])[]): readonly Dimension[] {
    const known = this.shared.find(
      (list) =>
        list.length === domains.length &&
        list.every(({ name, domain }, i) => {
          const other = domains[i];
          return other !== undefined && other[0] === name && sameDomain(other[1], domain);
        }),
    );
    if (known !== undefined) return known;
    const now = new Map(this.dimensions.map((dimension) => [dimension.name, dimension]));
    const list = domains.map(([name, domain]) => {
      const dimension = now.get(name);
      return dimension && sameDomain(dimension.domain, domain) ? dimension : { name, domain, when: [] };
    });
    if (this.shared.length >= MOST_SHARED) this.shared.length = 0;
    this.shared.push(list);
    return list;
  }
}

function stateOf(state: number): TrialState {
  return STATES[state] ?? 'failed';
}

function stepOf(text: string): number {
  const step = Number(text);
  if (!Number.isSafeInteger(step)) throw new Error(`the step ${clip(text)} is not a whole number`);
  return step;
}

function timeOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Date.parse(text);
}
