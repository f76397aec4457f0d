/** Rates that rise and fall. */
import { OptionError } from '../errors';
import { show } from '../options';
import {
  declareSettings,
  finite,
  nonNegative,
  oneOf,
  positive,
  positiveInteger,
  probability,
  type OptionsOf,
} from '../settings';
import { elapsed, lengthOf, perUnit, type Schedule } from './schedule';

const restartSettings = declareSettings({
  period: positiveInteger('Epochs (or steps) of the first period.'),
  growth: finite('Each period is so many times as long as the one before, at least 1.', { default: 1 }),
  min: nonNegative('Factor at the end of a period.', { default: 0 }),
  per: perUnit('Whether t counts epochs or steps.', { default: 'epoch' }),
});

export type WarmRestartsOptions = OptionsOf<typeof restartSettings>;

/**
 * Half a cosine from 1 to `min` in each period, again and again (SGDR, Loshchilov & Hutter 2017): PyTorch's
 * CosineAnnealingWarmRestarts. It has no end.
 * @throws OptionError
 */
export function warmRestarts(options: WarmRestartsOptions): Schedule {
  const where = 'schedules.warmRestarts';
  const { period, growth, min, per } = restartSettings.read(where, options);
  if (growth < 1) throw new OptionError(`${where}: growth must be at least 1, got ${show(growth)}`);
  return (progress) => {
    let [at, length] = [elapsed(progress, per), period];
    if (growth === 1) at %= period;
    for (; at >= length; length *= growth) at -= length;
    return min + ((1 - min) * (1 + Math.cos((Math.PI * at) / length))) / 2;
  };
}

const oneCycleSettings = declareSettings({
  rise: probability('Share of the training in which the rate rises, 0 to 1.', { default: 0.3 }),
  start: positive('The rate begins at 1 / so much of the largest.', { default: 25 }),
  end: positive('The rate ends at 1 / so much of what it began with.', { default: 1e4 }),
  shape: oneOf(['cosine', 'linear'])('How the rate moves between them.', { default: 'cosine' }),
  length: positiveInteger('Steps. Default: the whole training.', { optional: true }),
});

export type OneCycleOptions = OptionsOf<typeof oneCycleSettings>;

/**
 * Rises to 1, so that the optimizer's own rate is the largest, and falls to almost nothing (Smith &
 * Topin 2017): PyTorch's OneCycleLR in two phases, without its cycle of momentum. Past its end it stays
 * at its last value.
 * @throws OptionError
 */
export function oneCycle(options: OneCycleOptions = {}): Schedule {
  const where = 'schedules.oneCycle';
  const { rise, start, end: fall, shape, length: given } = oneCycleSettings.read(where, options);
  const first = 1 / start;
  const last = first / fall;
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

const rangeTestSettings = declareSettings({
  from: positive('Factor of the first step, above 0.'),
  to: positive('Factor of the last step, above 0.'),
  length: positiveInteger('Steps. Default: the whole training.', { optional: true }),
  shape: oneOf(['exponential', 'linear'])('How the factor moves between them.', { default: 'exponential' }),
});

export type RangeTestOptions = OptionsOf<typeof rangeTestSettings>;

/**
 * From one factor to another, to see at which rates a network learns (Smith 2017, "Cyclical learning rates");
 * `rateRange` runs the whole test. Past its end it stays at `to`.
 * @throws OptionError
 */
export function rangeTest(options: RangeTestOptions): Schedule {
  const where = 'schedules.rangeTest';
  const { from, to, shape, length: given } = rangeTestSettings.read(where, options);
  return (progress) => {
    const last = (given ?? lengthOf(where, progress, 'step')) - 1;
    const share = last > 0 ? Math.min(1, progress.step / last) : 1;
    return shape === 'linear' ? from + (to - from) * share : from * (to / from) ** share;
  };
}
