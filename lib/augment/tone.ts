/**
 * Augmentations of colours, with torchvision's names and arguments. Their definitions are Pillow's, to the
 * bit, and torchvision's for hue and gamma (native/augment/tone.h).
 */
import { OptionError } from '../errors';
import { show } from '../options';
import { declareSettings, kind, number, probability, type OptionsOf } from '../settings';
import { alone, always, around0, around1, between, bounds, requireColours, wholeBounds } from './kinds';
import { maker, noArgument } from './native';
import { evenly, fixed, operation, sequenceOf, whole } from './program';

/** Factors around 1, which leaves an image as it is. */
const factors = bounds(0, 1000, around1);
const turns = bounds(-0.5, 0.5, around0);

const sometimes = declareSettings({
  p: probability('Probability that it happens.', { default: 0.5 }),
});
const usually = declareSettings({ p: always });

export type SometimesOptions = OptionsOf<typeof sometimes>;
export type UsuallyOptions = OptionsOf<typeof usually>;

const byFactor = declareSettings({
  factor: factors('[low, high] of the factor, or how far it is from 1 at most: 0.4 for [0.6, 1.4].'),
});

/**
 * Multiplies all values by a random factor: `brightness(0.4)` or `brightness([0.6, 1.4])`. 0 is black, 1 the
 * image. Pillow's ImageEnhance.Brightness.
 * @throws OptionError
 */
export const brightness = maker('brightness', byFactor, usually, ({ factor, p }) => ({
  numbers: operation('brightness', p, [between(factor)]),
}));

/**
 * Moves all values away from the mean grey, or towards it: `contrast(0.4)`. 0 is grey, 1 the
 * image. Pillow's ImageEnhance.Contrast.
 * @throws OptionError
 */
export const contrast = maker('contrast', byFactor, usually, ({ factor, p }, form) => {
  requireColours('contrast', form);
  return { numbers: operation('contrast', p, [between(factor)]) };
});

/**
 * Moves colours away from the grey of the pixel, or towards it: `saturation(0.4)`. 0 is the grey image, 1 the
 * image. Pillow's ImageEnhance.Color. Grey images stay as they are.
 * @throws OptionError
 */
export const saturation = maker('saturation', byFactor, usually, ({ factor, p }, form) => {
  requireColours('saturation', form);
  return { numbers: operation('saturation', p, [between(factor)]) };
});

/**
 * Turns the hue by a random part of the circle: `hue(0.1)` by -0.1 to 0.1 turns. torchvision's adjust_hue.
 * Grey images stay as they are.
 * @throws OptionError
 */
export const hue = maker(
  'hue',
  declareSettings({ shift: turns('[low, high] of the turns, from -0.5 to 0.5, or the most to both sides.') }),
  usually,
  ({ shift, p }, form) => {
    requireColours('hue', form);
    return { numbers: operation('hue', p, [between(shift)]) };
  },
);

/** Raises values from 0 to 1 to a random power: `gamma([0.8, 1.25])`. @throws OptionError */
export const gamma = maker(
  'gamma',
  declareSettings({
    exponent: bounds(0, 100, around1)('[low, high] of the exponent, or how far it is from 1.'),
  }),
  usually,
  ({ exponent, p }) => ({ numbers: operation('gamma', p, [between(exponent)]) }),
);

/**
 * Keeps the highest `bits` of the 8 of each value. torchvision's RandomPosterize.
 * @throws OptionError
 */
export const posterize = maker(
  'posterize',
  declareSettings({ bits: wholeBounds(0, 8)('Bits that stay, from 0 to 8, or [fewest, most].') }),
  sometimes,
  ({ bits, p }) => ({
    numbers: operation('posterize', p, [bits[0] === bits[1] ? fixed(bits[0]) : whole(bits)]),
  }),
);

/**
 * Inverts the values that are at least `threshold`. torchvision's RandomSolarize.
 * @throws OptionError
 */
export const solarize = maker(
  'solarize',
  declareSettings({ threshold: bounds(0, 256, alone)('From 0 (all) to 256 (none), or [lowest, highest].') }),
  sometimes,
  ({ threshold, p }) => ({ numbers: operation('solarize', p, [between(threshold)]) }),
);

/** Spreads the values of each channel evenly. torchvision's RandomEqualize. @throws OptionError */
export const equalize = maker('equalize', noArgument, sometimes, ({ p }) => ({
  numbers: operation('equalize', p, []),
}));

/** Stretches the values of each channel to 0 to 255. torchvision's RandomAutocontrast. @throws OptionError */
export const autocontrast = maker('autocontrast', noArgument, sometimes, ({ p }) => ({
  numbers: operation('autocontrast', p, []),
}));

/** Turns an image into its negative. torchvision's RandomInvert. @throws OptionError */
export const invert = maker('invert', noArgument, sometimes, ({ p }) => ({
  numbers: operation('invert', p, []),
}));

const greySettings = declareSettings({
  p: probability('Probability that it happens.', { default: 0.1 }),
});

export type GrayscaleOptions = OptionsOf<typeof greySettings>;

/**
 * Turns colours into grey; the image keeps its channels. torchvision's RandomGrayscale.
 * @throws OptionError
 */
export const grayscale = maker('grayscale', noArgument, greySettings, ({ p }, form) => {
  requireColours('grayscale', form);
  return { numbers: operation('grayscale', p, []) };
});

const JITTERED = ['brightness', 'contrast', 'saturation', 'hue'] as const;
const jitterSettings = declareSettings({
  brightness: factors('[low, high] of the factor, or how far it is from 1. Default: it stays.', {
    optional: true,
  }),
  contrast: factors('[low, high] of the factor, or how far it is from 1. Default: it stays.', {
    optional: true,
  }),
  saturation: factors('[low, high] of the factor, or how far it is from 1. Default: it stays.', {
    optional: true,
  }),
  hue: turns('[low, high] of the turns, or the most to both sides. Default: it stays.', { optional: true }),
  p: always,
});

export type ColorJitterOptions = OptionsOf<typeof jitterSettings>;

/**
 * Brightness, contrast, saturation and hue, in a random order: `colorJitter({ brightness: 0.4, contrast: 0.4,
 * saturation: 0.4, hue: 0.1 })`. torchvision's ColorJitter.
 * @throws OptionError
 */
export const colorJitter = maker(
  'colorJitter',
  noArgument,
  jitterSettings,
  (settings, form) => {
    requireColours('colorJitter', form);
    const nodes = JITTERED.flatMap((name) => {
      const range = settings[name];
      return range === undefined ? [] : [operation(name, 1, [between(range)])];
    });
    const orders = permutations(nodes).map((order) => sequenceOf(1, order));
    return { numbers: evenly(settings.p, orders) };
  },
  (where, values) => {
    if (JITTERED.some((name) => values[name] !== undefined)) return;
    throw new OptionError(`${where}: expected at least one of ${JITTERED.join(', ')}`);
  },
);

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) => {
    const others = items.filter((_, j) => j !== i);
    return permutations(others).map((rest) => [item, ...rest]);
  });
}

/** Three numbers. */
type Triple = readonly [number, number, number];

function isTriple(value: unknown): value is Triple {
  const small = (x: unknown): boolean => typeof x === 'number' && Math.abs(x) <= 1000;
  return Array.isArray(value) && value.length === 3 && value.every(small);
}

const triple = kind<Triple>({
  check: (where, name, value) => {
    if (isTriple(value)) return value;
    throw new OptionError(`${where}: ${name} must be three numbers, got ${show(value)}`);
  },
  domain: { type: 'other' },
});

const matrix = kind<readonly [Triple, Triple, Triple]>({
  check: (where, name, value) => {
    if (Array.isArray(value) && value.length === 3 && value.every(isTriple))
      return value as unknown as readonly [Triple, Triple, Triple];
    throw new OptionError(`${where}: ${name} must be three rows of three numbers, got ${show(value)}`);
  },
  domain: { type: 'other' },
});

const pcaSettings = declareSettings({
  std: number({ minimum: 0, maximum: 100 })('Deviation of the random factors.', { default: 0.1 }),
  eigenvalues: triple("Eigenvalues of the colours' covariance, from 0 to 1. Default: ImageNet's.", {
    default: [0.2175, 0.0188, 0.0045],
  }),
  eigenvectors: matrix("Rows for red, green and blue, a column for each component. Default: ImageNet's.", {
    default: [
      [-0.5675, 0.7192, 0.4009],
      [-0.5808, -0.0045, -0.814],
      [-0.5836, -0.6948, 0.4203],
    ],
  }),
  p: always,
});

export type ColorPcaOptions = OptionsOf<typeof pcaSettings>;

/**
 * Adds a random combination of the principal components of the colours to all pixels of an image: for each
 * component its vector, times its eigenvalue, times a normal number of deviation `std`. AlexNet's
 * (Krizhevsky et al. 2012), with the numbers for ImageNet that have become usual since; `fitColorPca` finds
 * those of a data set.
 * @throws OptionError
 */
export const colorPca = maker('colorPca', noArgument, pcaSettings, (settings, form) => {
  if (form.channels !== 3)
    throw new OptionError(`augment.colorPca: images must have 3 channels, got ${form.channels}`);
  const { std, eigenvalues, eigenvectors, p } = settings;
  const columns = eigenvectors.flatMap((row) => row.map((v, k) => fixed(255 * std * eigenvalues[k]! * v)));
  return { numbers: operation('colorPca', p, columns) };
});
