/** What strategies ask of domains and dimensions. */
import type { Dimension, Domain, FloatDomain, IntegerDomain, Point } from './dimension';

export type NumericDomain = FloatDomain | IntegerDomain;

/** Half a step and the errors of `low + k * step` are forgiven where a value is held against a domain. */
const SLACK = 1e-9;

/** How many values it has: Infinity for real numbers without a step. */
export function countOf(domain: Domain): number {
  if (domain.type === 'choice') return domain.choices.length;
  if (domain.low === domain.high) return 1;
  if (domain.step === undefined) return Infinity;
  return Math.floor((domain.high - domain.low) / domain.step + SLACK) + 1;
}

/** The value of an index from 0 to below `countOf(domain)`, which is finite. */
export function valueAt(domain: Domain, index: number): number {
  if (domain.type === 'choice') return index;
  return domain.step === undefined ? domain.low : Math.min(domain.low + index * domain.step, domain.high);
}

/** Whether it lies between the ends; for choices, whether it is the index of one. Steps are not checked. */
export function contains(domain: Domain, value: number): boolean {
  if (domain.type === 'choice') return Number.isInteger(value) && value >= 0 && value < domain.choices.length;
  return value >= domain.low && value <= domain.high;
}

export function sameDomain(a: Domain, b: Domain): boolean {
  if (a.type === 'choice' || b.type === 'choice') {
    if (a.type !== b.type || a.type !== 'choice' || b.type !== 'choice') return false;
    return a.choices.length === b.choices.length && a.choices.every((choice, i) => choice === b.choices[i]);
  }
  const ends = a.low === b.low && a.high === b.high && a.log === b.log;
  return ends && a.type === b.type && a.step === b.step;
}

/** Whether the dimension exists where the dimensions before it have these values. */
export function exists(dimension: Dimension, point: Point): boolean {
  return dimension.when.every(({ name, index }) => point[name] === index);
}

/**
 * A numeric domain as an interval in which equal lengths weigh the same: logarithms where it is `log`. Where
 * it has steps, the interval begins half a step before the first value and ends half a step behind the last.
 */
export interface Scale {
  readonly low: number;
  readonly high: number;
  /** The place of a value, or of a number between two. */
  readonly to: (value: number) => number;
  /** The nearest value of the domain. */
  readonly from: (place: number) => number;
}

export function scaleOf(domain: NumericDomain): Scale {
  const { low, log, step } = domain;
  const top = step === undefined ? domain.high : valueAt(domain, countOf(domain) - 1);
  const half = step === undefined ? 0 : step / 2;
  const to = log ? Math.log : (value: number): number => value;
  const clip = (value: number): number => Math.min(Math.max(value, low), top);
  return {
    low: to(low - half),
    high: to(top + half),
    to,
    from: (place) => {
      const value = log ? Math.exp(place) : place;
      return clip(step === undefined ? value : low + Math.round((value - low) / step) * step);
    },
  };
}
