/** `--warmup`: how long the learning rate rises at the beginning of a run. */
import { OptionError } from '../errors';
import { show } from '../options';
import { warmup as rising, type Schedule } from '../schedules';

/** A number of steps, or of epochs as in `1epoch` and `0.5epochs`. */
export type Warmup = number | `${number}epoch${'' | 's'}`;

/** A number of epochs as `--warmup` spells it: `1epoch`, `0.5epochs`. */
export function epochsOf(n: number): Warmup {
  return n === 1 ? '1epoch' : `${n}epochs`;
}

/**
 * @throws OptionError unless it is a whole number of steps, or a number of epochs such as 1epoch or 0.5epochs
 */
export function checkWarmup(where: string, name: string, value: unknown): Warmup {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  const [, count, unit] = /^(\d+|\d*\.\d+)(epochs?|steps?)?$/.exec(text) ?? [];
  const n = Number(count);
  if (count !== undefined && unit?.startsWith('epoch') === true) return epochsOf(n);
  if (count !== undefined && Number.isSafeInteger(n)) return n;
  throw new OptionError(
    `${where}: ${name} must be a number of steps, or of epochs as in 1epoch or 0.5epochs, got ${show(value)}`,
  );
}

/** The warm-up from a factor of `start`, followed by `inner`. */
export function withWarmup(warmup: Warmup, start: number, inner: Schedule): Schedule {
  if (typeof warmup === 'number') return warmup === 0 ? inner : rising(warmup, inner, { start });
  return rising(Number.parseFloat(warmup), inner, { per: 'epoch', start });
}
