/** How raw images become a model's input, as models and model files keep it. */
import { OptionError } from '../errors';
import { checkKeys, oneOf, show } from '../options';
import { RESIZE_RULES, type ResizeRule } from './decode';
import type { Size } from './samples';

/** How raw images become a model's input: (x / 255 - mean) / std per channel. */
export interface Preprocessing {
  /** Pixels of the input, 1 to 65535. */
  readonly height: number;
  readonly width: number;
  /** 1 (grey) or 3 (R, G, B); others for images that no file holds. */
  readonly channels: number;
  /** Per channel, of values from 0 to 1. */
  readonly mean: readonly number[];
  /** Per channel, above 0. */
  readonly std: readonly number[];
  /** How images of another size are brought to this one before they are raw. Default 'cover'. */
  readonly resize?: ResizeRule;
  /** The model sees the centre of a raw image, of this size. Default: the whole image. */
  readonly crop?: Size;
}

/** The size of a model's input. */
export function windowOf({ height, width, crop }: Pick<Preprocessing, 'height' | 'width' | 'crop'>): Size {
  return crop ?? [height, width];
}

/** Fields of {@link Preprocessing}. */
export const PREPROCESSING_KEYS = ['height', 'width', 'channels', 'mean', 'std', 'resize', 'crop'] as const;

/** The largest side, and the most channels, that a model file may claim. */
const MAX_SIZE = 65535;

/**
 * A frozen copy of valid settings, so that they stay valid.
 * @throws OptionError naming the invalid field, its value and what was expected
 */
export function checkPreprocessing(where: string, value: unknown): Preprocessing {
  if (value === undefined || value === null)
    throw new OptionError(`${where}: expected { height, width, channels, mean, std }, got ${show(value)}`);
  checkKeys(where, value, PREPROCESSING_KEYS);
  const given = value as Partial<Preprocessing>;
  const channels = size(where, 'channels', given.channels);
  const [height, width] = [size(where, 'height', given.height), size(where, 'width', given.width)];
  return Object.freeze({
    height,
    width,
    channels,
    mean: perChannel(where, 'mean', given.mean, channels, Number.isFinite),
    std: perChannel(where, 'std', given.std, channels, (n) => Number.isFinite(n) && n > 0),
    ...(given.resize !== undefined && { resize: oneOf(where, 'resize', given.resize, RESIZE_RULES) }),
    ...(given.crop !== undefined && { crop: centre(where, given.crop, [height, width]) }),
  });
}

function centre(where: string, value: unknown, [height, width]: Size): Size {
  const sides: readonly unknown[] = Array.isArray(value) ? value : [];
  if (sides.length !== 2) throw new OptionError(`${where}: crop must be [height, width], got ${show(value)}`);
  const [h, w] = [size(where, 'the height of crop', sides[0]), size(where, 'the width of crop', sides[1])];
  if (h > height || w > width)
    throw new OptionError(`${where}: a crop of ${h}x${w} does not fit into images of ${height}x${width}`);
  return Object.freeze([h, w] as const);
}

function size(where: string, name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIZE)
    return value as number;
  throw new OptionError(`${where}: ${name} must be a whole number from 1 to ${MAX_SIZE}, got ${show(value)}`);
}

function perChannel(
  where: string,
  name: string,
  value: unknown,
  channels: number,
  valid: (n: number) => boolean,
): readonly number[] {
  const numbers = Array.isArray(value) ? (value as unknown[]) : [];
  if (numbers.length === channels && numbers.every((n) => typeof n === 'number' && valid(n)))
    return Object.freeze([...(numbers as number[])]);
  const kind = name === 'std' ? 'above 0' : 'that are finite';
  throw new OptionError(
    `${where}: ${name} must be an array of as many numbers ${kind} as there are channels, ${channels}, got ${show(value)}`,
  );
}
