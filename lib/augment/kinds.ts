/** Settings that several augmentations have. */
import { OptionError } from '../errors';
import { show } from '../options';
import { kind, oneOf, probability } from '../settings';
import { fixed, uniform, type ImageForm, type Parameter } from './program';

/** The probability of an augmentation that usually happens. */
export const always = probability('Probability that it happens.', { default: 1 });

export const interpolation = oneOf(['bilinear', 'nearest'])('How pixels are resampled.', {
  default: 'bilinear',
});

/** The parameter of an operation that resamples. */
export function nearest(how: 'bilinear' | 'nearest'): Parameter {
  return fixed(how === 'nearest' ? 1 : 0);
}

/** Bounds of something that is drawn. */
export type Bounds = readonly [low: number, high: number];

/** Bounds within [least, most], or one number for what `from` makes of it. */
export function bounds(least: number, most: number, from?: (one: number) => Bounds) {
  const within = (value: unknown): value is number =>
    typeof value === 'number' && value >= least && value <= most;
  const part = { type: 'number', minimum: least, maximum: most } as const;
  return kind<Bounds, number | Bounds>({
    check: (where, name, value) => {
      const both: unknown = typeof value === 'number' && from !== undefined ? from(value) : value;
      if (Array.isArray(both) && both.length === 2) {
        const [low, high] = both as unknown[];
        if (within(low) && within(high) && low <= high) return [low, high];
      }
      const one = from === undefined ? '' : 'a number or ';
      throw new OptionError(
        `${where}: ${name} must be ${one}[low, high] from ${least} to ${most}, got ${show(value)}`,
      );
    },
    domain: { type: 'tuple', parts: { low: part, high: part } },
  });
}

/** `15` stands for [-15, 15]. */
export const around0 = (one: number): Bounds => [-Math.abs(one), Math.abs(one)];

/** A colour: one number from 0 to 255 for all channels, or one for each of up to 4. */
export type Colour = number | readonly number[];

const isByte = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;

function checkColour(where: string, name: string, value: unknown): Colour {
  if (isByte(value)) return value;
  if (Array.isArray(value) && value.length >= 1 && value.length <= 4 && value.every(isByte)) return value;
  throw new OptionError(
    `${where}: ${name} must be a whole number from 0 to 255, or a list with one for each channel, got ${show(value)}`,
  );
}

export const colour = kind<Colour>({ check: checkColour, domain: { type: 'other' } });

/** A colour, or a word for one that is not known yet. */
export function colourOr<const W extends string>(word: W) {
  return kind<Colour | W>({
    check: (where, name, value) => {
      if (value === word) return word;
      if (typeof value !== 'string') return checkColour(where, name, value);
      throw new OptionError(`${where}: ${name} must be a colour or "${word}", got ${show(value)}`);
    },
    domain: { type: 'other' },
  });
}

/** The four parameters of a colour. @throws OptionError where it has not as many channels as the images */
export function colourParameters(where: string, value: Colour, { channels }: ImageForm): Parameter[] {
  if (typeof value !== 'number' && value.length !== channels)
    throw new OptionError(
      `augment.${where}: fill has ${value.length} channels, but images have ${channels}: ${show(value)}`,
    );
  const of = (channel: number): number =>
    typeof value === 'number' ? value : (value[channel] ?? value[value.length - 1]!);
  return [0, 1, 2, 3].map((channel) => fixed(of(channel)));
}

/** The four parameters of the mean colour of the data. */
export function meanParameters({ mean }: ImageForm): Parameter[] {
  const levels = mean.slice(0, 4).map((of) => Math.min(255, Math.max(0, Math.round(255 * of))));
  return [0, 1, 2, 3].map((channel) => fixed(levels[channel] ?? levels.at(-1) ?? 0));
}

/** A side, or [height, width]. */
export type Sides = number | readonly [height: number, width: number];

/** The longest side that the native interpreter takes. */
export const LONGEST_SIDE = 32768;

function checkSides(where: string, name: string, value: unknown): readonly [number, number] {
  const both: readonly unknown[] = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2)
    throw new OptionError(`${where}: ${name} must be a side or [height, width], got ${show(value)}`);
  const side = (part: string, given: unknown): number => {
    if (typeof given === 'number' && Number.isInteger(given) && given >= 1 && given <= LONGEST_SIDE)
      return given;
    throw new OptionError(
      `${where}: ${name} (${part}) must be a positive integer up to ${LONGEST_SIDE}, got ${show(given)}`,
    );
  };
  return [side('height', both[0]), side('width', both[1])];
}

const aSide = { type: 'integer', minimum: 1, maximum: LONGEST_SIDE } as const;

export const sides = kind<readonly [height: number, width: number], Sides>({
  check: checkSides,
  domain: { type: 'tuple', parts: { height: aSide, width: aSide } },
});

/** `0.4` stands for [0.6, 1.4]; the lower end is at least 0. */
export const around1 = (one: number): Bounds => [Math.max(0, 1 - one), 1 + one];

/** One number stands for itself. */
export const alone = (one: number): Bounds => [one, one];

/** A parameter between bounds. */
export const between = ([low, high]: Bounds): Parameter => (low === high ? fixed(low) : uniform([low, high]));

/** Whole bounds, or one number for both. */
export function wholeBounds(least: number, most: number) {
  const inner = bounds(least, most, alone)('');
  return kind<Bounds, number | Bounds>({
    check: (where, name, value) => {
      const range = inner.check(where, name, value);
      if (range.every(Number.isInteger)) return range;
      throw new OptionError(`${where}: ${name} must be whole, got ${show(value)}`);
    },
    domain: inner.domain,
  });
}

/** @throws OptionError for images that are neither grey nor red, green and blue */
export function requireColours(where: string, { channels }: ImageForm): void {
  if (channels !== 1 && channels !== 3)
    throw new OptionError(`augment.${where}: images must have 1 channel or 3, got ${channels}`);
}
