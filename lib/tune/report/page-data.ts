/**
 * What the page is told of a study: plain JSON without NaN, small enough to draw. Every text in it is of
 * unknown origin, and is shown as text only.
 */
import type { Json } from '../../settings';
import type { Dimension, Domain } from '../space/dimension';
import { NOTE } from '../study/notes';
import type { Direction, Report, TrialRecord, TrialState } from '../study/trial';
import type { Source } from './source';

/** A number as JSON has it; the others by their names. */
export type Plain = number | 'NaN' | 'Infinity' | '-Infinity';

/** A dimension as an axis. Places on it are the numbers of points: of a choice, its index. */
export interface Axis {
  readonly name: string;
  readonly log: boolean;
  readonly low: number;
  readonly high: number;
  /** Texts of a choice. */
  readonly labels?: readonly string[];
  readonly whole: boolean;
  /** What it depends on, in words. */
  readonly when: string;
}

/** A trial. */
export interface Row {
  readonly number: number;
  readonly state: TrialState;
  readonly values?: readonly Plain[];
  /** A place on each of the axes, null where the trial does not have it; of an old row, the first ones. */
  readonly places: readonly (number | null)[];
  /** The curve: steps and values in turn, some of them left out where there are many. */
  readonly curve: readonly Plain[];
  /** How many reports there were. */
  readonly reports: number;
  /** Milliseconds since 1970. */
  readonly started?: number;
  readonly ended?: number;
  readonly budget?: number;
  /** Why it was pruned or failed. */
  readonly why?: string;
  /** The objective's own notes, as JSON. */
  readonly notes?: string;
}

/** What the page shows of the study as a whole. */
export interface Head {
  readonly name: string;
  readonly place: string;
  readonly objectives: readonly { readonly name: string; readonly direction: Direction }[];
  readonly axes: readonly Axis[];
  /** Axes that are left out. */
  readonly axesLeftOut: number;
  readonly trials: number;
  readonly states: Readonly<Record<TrialState, number>>;
  /** Numbers of the trials that no other beats: the best one, or the front of several objectives. */
  readonly best: readonly number[];
  /** For each objective: places in `axes` and their shares, from the largest on. */
  readonly importance: readonly (readonly (readonly [axis: number, share: number])[])[];
  readonly space: string;
  readonly strategy: string;
  readonly rules: string;
  /** When this was true, in milliseconds since 1970. */
  readonly at: number;
}

/** Axes, choices of one, objectives and points of a curve that are shown at most. */
export const MOST = { axes: 100, choices: 500, objectives: 10, points: 200 } as const;
/** Characters of a text. */
const LONG = { name: 120, choice: 80, why: 500, setup: 20_000 } as const;

function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}

export function plain(value: number): Plain {
  return Number.isFinite(value) ? value : (String(value) as Plain);
}

/** The axes of a study: those of its space, then what its trials had besides. New ones come last. */
export class Axes {
  readonly list: Axis[] = [];
  leftOut = 0;
  private readonly places = new Map<string, number>();
  private readonly domains: Domain[] = [];
  private readonly seen = new Set<readonly Dimension[]>();

  /** Takes in the dimensions of a space or of a trial, and widens axes where they reach further. */
  add(dimensions: readonly Dimension[]): void {
    if (this.seen.has(dimensions)) return;
    this.seen.add(dimensions);
    for (const dimension of dimensions) this.addOne(dimension, dimensions);
  }

  indexOf(name: string): number | undefined {
    return this.places.get(name);
  }

  /** The places of a trial. */
  of({ point, dimensions }: TrialRecord): (number | null)[] {
    this.add(dimensions);
    const places = this.list.map((): number | null => null);
    for (const { name, domain } of dimensions) {
      const at = this.places.get(name);
      const value = Object.hasOwn(point, name) ? point[name] : undefined;
      if (at === undefined || value === undefined) continue;
      if (sameScale(this.domains[at]!, domain)) places[at] = value;
    }
    return places;
  }

  private addOne({ name, domain, when }: Dimension, all: readonly Dimension[]): void {
    const at = this.places.get(name);
    if (at === undefined) {
      if (this.list.length >= MOST.axes) {
        this.leftOut++;
        return;
      }
      this.places.set(name, this.list.length);
      this.domains.push(domain);
      this.list.push({ name: short(name, LONG.name), when: conditionOf(when, all), ...scaleOf(domain) });
      return;
    }
    const known = this.list[at]!;
    const { low, high } = scaleOf(domain);
    if (domain.type === 'choice' || !sameScale(this.domains[at]!, domain)) return;
    this.list[at] = { ...known, low: Math.min(low, known.low), high: Math.max(high, known.high) };
  }
}

function sameScale(a: Domain, b: Domain): boolean {
  if (a.type === 'choice' || b.type === 'choice')
    return a.type === 'choice' && b.type === 'choice' && a.choices.length === b.choices.length;
  return a.log === b.log;
}

function scaleOf(domain: Domain): Pick<Axis, 'low' | 'high' | 'log' | 'whole' | 'labels'> {
  if (domain.type !== 'choice') {
    const { low, high, log, type } = domain;
    return { low, high, log, whole: type === 'integer' };
  }
  const labels = domain.choices.slice(0, MOST.choices).map((choice) => short(String(choice), LONG.choice));
  return { low: 0, high: domain.choices.length - 1, log: false, whole: true, labels };
}

function conditionOf(when: Dimension['when'], all: readonly Dimension[]): string {
  const parts = when.map(({ name, index }) => {
    const domain = all.find((dimension) => dimension.name === name)?.domain;
    return `${name} = ${domain?.type === 'choice' ? String(domain.choices[index]) : index}`;
  });
  return short(parts.join(', '), LONG.name);
}

/** @param points of a curve, at most */
export function rowOf(trial: TrialRecord, axes: Axes, points: number): Row {
  const { number, state, values, reports, started, ended, notes, attributes } = trial;
  const why = notes[NOTE.reason] ?? notes[NOTE.error];
  const budget = notes[NOTE.budget];
  const own = Object.keys(attributes).length === 0 ? undefined : JSON.stringify(attributes);
  return {
    number,
    state,
    ...(values && { values: values.slice(0, MOST.objectives).map(plain) }),
    places: axes.of(trial),
    curve: thin(reports, points).flatMap(({ step, value }) => [step, plain(value)]),
    reports: reports.length,
    ...(started !== undefined && Number.isFinite(started) && { started }),
    ...(ended !== undefined && Number.isFinite(ended) && { ended }),
    ...(typeof budget === 'number' && Number.isFinite(budget) && { budget }),
    ...(why !== undefined && { why: short(typeof why === 'string' ? why : JSON.stringify(why), LONG.why) }),
    ...(own !== undefined && { notes: short(own, LONG.why) }),
  };
}

/** The first, the last, and some between them. */
function thin(reports: readonly Report[], most: number): readonly Report[] {
  if (reports.length <= most) return reports;
  const every = (reports.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => reports[Math.round(i * every)]!);
}

/** What is computed from all trials. */
export type Facts = Pick<Head, 'best' | 'importance' | 'states'>;

export function headOf(source: Source, axes: Axes, facts: Facts): Head {
  const { name, place, directions, trials, setup } = source;
  const usual = directions.length > 1 ? (i: number) => `objective ${i + 1}` : () => 'value';
  return {
    name: short(name, LONG.name),
    place,
    objectives: directions.slice(0, MOST.objectives).map((direction, i) => ({
      name: short(source.metrics[i] ?? usual(i), LONG.name),
      direction,
    })),
    axes: axes.list,
    axesLeftOut: axes.leftOut,
    trials: trials.length,
    ...facts,
    space: setupText(setup.space),
    strategy: setupText(setup.strategy),
    rules: setupText(setup.rules),
    at: Date.now(),
  };
}

function setupText(json: Json | undefined): string {
  return json === undefined ? '' : short(JSON.stringify(json, null, 1), LONG.setup);
}
