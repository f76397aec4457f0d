/**
 * A space as strategies see it: a flat list of dimensions, and points that are numbers by name. Domains are
 * those of Optuna's distributions, so that a study can be read by either.
 */

/** What a choice may be: what JSON holds in one word. */
export type Value = number | string | boolean | null;

/**
 * Real numbers from `low` to `high`, or multiples of `step` above `low`. `log`: equal ratios weigh the same.
 */
export interface FloatDomain {
  readonly type: 'float';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  /** Not together with `log`. */
  readonly step?: number;
}

/** `low`, `low + step`, ..., `high`; both ends belong to it. With `log`, the step is 1. */
export interface IntegerDomain {
  readonly type: 'integer';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly step: number;
}

/** One of a list, without an order. */
export interface ChoiceDomain {
  readonly type: 'choice';
  readonly choices: readonly Value[];
}

export type Domain = FloatDomain | IntegerDomain | ChoiceDomain;

export interface Dimension {
  /** The parameter's path, joined by dots: `lr`, `optimizer`, `optimizer.sgd.momentum`. */
  readonly name: string;
  readonly domain: Domain;
  /**
   * The dimension exists only where each of these dimensions, all choices and all before it in the list, has
   * this index. Empty: always.
   */
  readonly when: readonly { readonly name: string; readonly index: number }[];
}

/**
 * A number for each dimension that exists: the value itself, or the index of a choice. Optuna calls these
 * internal values.
 */
export type Point = Readonly<Record<string, number>>;

/** Whether a trial with this point has the dimension. `point` holds at least the dimensions before it. */
export function exists(dimension: Dimension, point: Point): boolean {
  return dimension.when.every(({ name, index }) => point[name] === index);
}

/** Whether a domain has this value, or a choice of this index; with a step, but for rounding. */
export function contains(domain: Domain, value: number): boolean {
  if (domain.type === 'choice') return Number.isInteger(value) && value >= 0 && value < domain.choices.length;
  const { low, high, step } = domain;
  if (domain.type === 'integer' && !Number.isInteger(value)) return false;
  if (step === undefined) return value >= low && value <= high;
  const steps = (value - low) / step;
  const nearest = Math.round(steps);
  return Math.abs(steps - nearest) <= 1e-9 && nearest >= 0 && nearest <= Math.round((high - low) / step);
}
