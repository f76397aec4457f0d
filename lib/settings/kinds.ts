/**
 * The kinds of settings that many have. Further ones stand where they are needed: `kind({ check, domain })`.
 */
import { OptionError } from '../errors';
import * as check from '../options';
import { kind, type Bounds, type Check, type Json, type Kind, type Setting } from './setting';

export const bool = kind({ check: check.bool, domain: { type: 'boolean' } });

export const finite = kind({ check: check.finite, domain: { type: 'number' } });

/**
 * A number within bounds: `number({ minimum: 0, exclusiveMaximum: 1 })('Decay of the mean.', {
 * default: 0.99 })`.
 */
export function number(bounds: Bounds): Kind<number> {
  return kind<number>({ check: checkNumber(bounds), domain: { type: 'number', ...bounds } });
}

/** The check of {@link number}, for parts of other settings. */
export function checkNumber(bounds: Bounds): Check<number> {
  return (where, name, value) => {
    if (typeof value === 'number' && Number.isFinite(value) && within(value, bounds)) return value;
    const expected = `a number ${rangeOf(bounds)}`;
    throw new OptionError(`${where}: ${name} must be ${expected}, got ${check.show(value)}`);
  };
}

/** A whole number within bounds, both of which are given: `integer({ minimum: 1, maximum: 1024 })`. */
export function integer(bounds: Required<Pick<Bounds, 'minimum' | 'maximum'>>): Kind<number> {
  return kind<number>({
    check: (where, name, value) => {
      if (typeof value === 'number' && Number.isSafeInteger(value) && within(value, bounds)) return value;
      const expected = `a whole number ${rangeOf(bounds)}`;
      throw new OptionError(`${where}: ${name} must be ${expected}, got ${check.show(value)}`);
    },
    domain: { type: 'integer', ...bounds },
  });
}

function within(value: number, bounds: Bounds): boolean {
  const { minimum = -Infinity, exclusiveMinimum = -Infinity } = bounds;
  const { maximum = Infinity, exclusiveMaximum = Infinity } = bounds;
  return value >= minimum && value > exclusiveMinimum && value <= maximum && value < exclusiveMaximum;
}

/** `from 0 to below 1`, `above 0`. */
function rangeOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Bounds): string {
  const low = minimum === undefined ? undefined : `from ${minimum}`;
  const above = exclusiveMinimum === undefined ? low : `above ${exclusiveMinimum}`;
  const most = maximum === undefined ? undefined : `to ${maximum}`;
  const below = exclusiveMaximum === undefined ? most : `to below ${exclusiveMaximum}`;
  return [above, below].filter((part) => part !== undefined).join(' ');
}

export const nonNegative = kind({ check: check.nonNegative, domain: { type: 'number', minimum: 0 } });

export const positive = kind({ check: check.positive, domain: { type: 'number', exclusiveMinimum: 0 } });

export const probability = kind({
  check: check.probability,
  domain: { type: 'number', minimum: 0, maximum: 1 },
});

export const positiveInteger = kind({
  check: check.positiveInteger,
  domain: { type: 'integer', minimum: 1 },
});

export const nonNegativeInteger = kind({
  check: check.nonNegativeInteger,
  domain: { type: 'integer', minimum: 0 },
});

export const nonEmptyString = kind({ check: check.nonEmptyString, domain: { type: 'string' } });

/** One of `choices`: `oneOf(['mean', 'sum'])('How losses are put together.', { default: 'mean' })`. */
export function oneOf<const T extends string | number>(choices: readonly T[]): Kind<T> {
  return kind<T>({
    check: (where, name, value) => check.oneOf(where, name, value, choices),
    domain: { type: 'choice', choices },
  });
}

/** A list of what `item` takes, each checked under the list's name. */
export function listOf<T, G>(item: Kind<T, G>): Kind<readonly T[], readonly G[]> {
  const one: Setting<T, G> = item('');
  return kind<readonly T[], readonly G[]>({
    check: (where, name, value) => {
      check.checkList(where, name, value);
      return value.map((part) => one.check(where, name, part));
    },
    domain: { type: 'list', of: one.domain },
    toJson: (values) => values.map((value) => one.toJson(value)),
    fromJson: (json) => (Array.isArray(json) ? json.map((value) => one.fromJson(value as Json)) : json),
  });
}
