/** A trial while its log is replayed: changed in place, and shown to others as a record. */
import type { Json } from '../../settings';
import type { Dimension, Domain } from '../space/dimension';
import type { TrialRecord, TrialState } from './trial';

export class ReplayedTrial {
  state: TrialState = 'running';
  values: readonly number[] | undefined;
  started: number | undefined;
  ended: number | undefined;
  worker: string | undefined;
  private readonly point = new Map<string, { readonly value: number; readonly domain: Domain }>();
  private readonly reports = new Map<number, number>();
  private readonly attributes = new Map<string, Json>();
  private readonly notes = new Map<string, Json>();
  private shown: TrialRecord | undefined;

  constructor(
    readonly number: number,
    readonly id: number,
  ) {}

  get hasEnded(): boolean {
    return this.state !== 'running' && this.state !== 'waiting';
  }

  /** To be called after each change, so that the next record has it. */
  changed(): void {
    this.shown = undefined;
  }

  set(name: string, value: number, domain: Domain): void {
    this.point.set(name, { value, domain });
  }

  report(step: number, value: number): void {
    this.reports.set(step, value);
  }

  attribute(entries: Readonly<Record<string, Json>>): void {
    for (const [key, value] of Object.entries(entries)) this.attributes.set(key, value);
  }

  note(entries: Readonly<Record<string, Json>>): void {
    for (const [key, value] of Object.entries(entries)) this.notes.set(key, value);
  }

  /** @param dimensionsOf the dimensions of names and domains, shared by all trials that have the same */
  record(
    dimensionsOf: (domains: readonly (readonly [string, Domain])[]) => readonly Dimension[],
  ): TrialRecord {
    if (this.shown !== undefined) return this.shown;
    const reports = Array.from(this.reports, ([step, value]) => Object.freeze({ step, value }));
    reports.sort((a, b) => a.step - b.step);
    const { number, state, values, started, ended, worker } = this;
    this.shown = Object.freeze({
      number,
      state,
      point: fields(Array.from(this.point, ([name, { value }]) => [name, value])),
      dimensions: dimensionsOf(Array.from(this.point, ([name, { domain }]) => [name, domain])),
      reports: Object.freeze(reports),
      attributes: fields(this.attributes),
      notes: fields(this.notes),
      ...(values === undefined ? {} : { values }),
      ...(started === undefined ? {} : { started }),
      ...(ended === undefined ? {} : { ended }),
      ...(worker === undefined ? {} : { worker }),
    });
    return this.shown;
  }
}

function fields<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  return Object.freeze(Object.fromEntries(entries));
}
