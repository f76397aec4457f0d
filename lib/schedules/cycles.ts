/** Rates that rise and fall. */
import { OptionError } from '../errors';
import {
  checkKeys,
  finite,
  nonNegative,
  oneOf,
  positive,
  positiveInteger,
  probability,
  show,
} from '../options';
import { elapsed, lengthOf, PER, type Per, type Schedule } from './schedule';

export interface WarmRestartsOptions {
  /** Epochs (or steps) of the first period. */
  readonly period: number;
  /** How many times as long as the one before each period is, at least 1. Default 1. */
  readonly growth?: number;
  /** Factor at the end of a period. Default 0. */
  readonly min?: number;
  /** Default 'epoch'. */
  readonly per?: Per;
}

/**
 * Half a cosine from 1 to `min` in each period, again and again (SGDR, Loshchilov & Hutter 2017): PyTorch's
 * CosineAnnealingWarmRestarts. It has no end. @throws OptionError
 */
export function warmRestarts(options: WarmRestartsOptions): Schedule {
  const where = 'schedules.warmRestarts';
  checkKeys(where, options, ['period', 'growth', 'min', 'per']);
  const period = positiveInteger(where, 'period', options?.period);
  const growth = finite(where, 'growth', options.growth ?? 1);
  if (growth < 1) throw new OptionError(`${where}: growth must be at least 1, got ${show(growth)}`);
  const min = nonNegative(where, 'min', options.min ?? 0);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  return (progress) => {
    let [at, length] = [elapsed(progress, per), period];
    if (growth === 1) at %= period;
    for (; at >= length; length *= growth) at -= length;
    return min + ((1 - min) * (1 + Math.cos((Math.PI * at) / length))) / 2;
  };
}

export interface OneCycleOptions {
  /** Share of the training in which the rate rises, 0 to 1. Default 0.3. */
  readonly rise?: number;
  /** The rate begins at 1 / start of the largest. Default 25. */
  readonly start?: number;
  /** The rate ends at 1 / end of what it began with. Default 1e4. */
  readonly end?: number;
  /** Default 'cosine'. */
  readonly shape?: 'cosine' | 'linear';
  /** Steps. Default: the whole training. */
  readonly length?: number;
}

/**
 * Rises to 1, so that the optimizer's own rate is the largest, and falls to almost nothing (Smith & Topin
 * 2017): PyTorch's OneCycleLR in two phases, without its cycle of momentum. Past its end it stays at its last
 * value. @throws OptionError
 */
export function oneCycle(options: OneCycleOptions = {}): Schedule {
  const where = 'schedules.oneCycle';
  checkKeys(where, options, ['rise', 'start', 'end', 'shape', 'length']);
  const rise = probability(where, 'rise', options.rise ?? 0.3);
  const first = 1 / positive(where, 'start', options.start ?? 25);
  const last = first / positive(where, 'end', options.end ?? 1e4);
  const shape = oneOf(where, 'shape', options.shape ?? 'cosine', ['cosine', 'linear']);
  const given = options.length === undefined ? undefined : positiveInteger(where, 'length', options.length);
  const between = (a: number, b: number, share: number): number =>
    shape === 'linear' ? a + (b - a) * share : b + ((a - b) * (1 + Math.cos(Math.PI * share))) / 2;
  return (progress) => {
    const end = (given ?? lengthOf(where, progress, 'step')) - 1;
    const at = Math.min(progress.step, Math.max(end, 0));
    const top = rise * (end + 1) - 1;
    if (at <= top) return between(first, 1, top > 0 ? at / top : 1);
    return between(1, last, (at - top) / (end - top));
  };
}

export interface RangeTestOptions {
  /** Factor of the first step, above 0. */
  readonly from: number;
  /** Factor of the last step, above 0. */
  readonly to: number;
  /** Steps. Default: the whole training. */
  readonly length?: number;
  /** Default 'exponential'. */
  readonly shape?: 'exponential' | 'linear';
}

/**
 * From one factor to another, to see at which rates a network learns (Smith 2017, "Cyclical learning rates");
 * `rateRange` runs the whole test. Past its end it stays at `to`. @throws OptionError
 */
export function rangeTest(options: RangeTestOptions): Schedule {
  const where = 'schedules.rangeTest';
  checkKeys(where, options, ['from', 'to', 'length', 'shape']);
  const from = positive(where, 'from', options?.from);
  const to = positive(where, 'to', options.to);
  const shape = oneOf(where, 'shape', options.shape ?? 'exponential', ['exponential', 'linear']);
  const given = options.length === undefined ? undefined : positiveInteger(where, 'length', options.length);
  return (progress) => {
    const last = (given ?? lengthOf(where, progress, 'step')) - 1;
    const share = last > 0 ? Math.min(1, progress.step / last) : 1;
    return shape === 'linear' ? from + (to - from) * share : from * (to / from) ** share;
  };
}
