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

/** What a number of a point may be. */
export type Domain = FloatDomain | IntegerDomain | ChoiceDomain;

/** One number of a point: a parameter of the space as strategies see it. */
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
