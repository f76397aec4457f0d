/**
 * Geometric augmentations, with torchvision's names and definitions. Those that follow each other in a list
 * are one resampling (native/augment/geometry.h).
 */
import { OptionError } from '../errors';
import { show } from '../options';
import { bool, declareSettings, integer, kind, number, probability, type OptionsOf } from '../settings';
import {
  always,
  around0,
  between,
  bounds,
  colour,
  colourParameters,
  interpolation,
  LONGEST_SIDE,
  nearest,
  sides,
  type Bounds,
  type Colour,
} from './kinds';
import { maker, noArgument } from './native';
import { fixed, operation, type ImageForm, type Parameter, type Size } from './program';

const mirroring = declareSettings({
  p: probability('Probability of mirroring an image.', { default: 0.5 }),
});

export type FlipOptions = OptionsOf<typeof mirroring>;

/** Mirrors an image left and right with probability `p`. @throws OptionError */
export const flip = maker('flip', noArgument, mirroring, ({ p }) => ({
  numbers: operation('flip', p, []),
}));

/** Mirrors an image top and bottom with probability `p`. @throws OptionError */
export const verticalFlip = maker('verticalFlip', noArgument, mirroring, ({ p }) => ({
  numbers: operation('verticalFlip', p, []),
}));

const fill = colour('Colour of what lies outside the image, from 0 to 255.', { default: 0 });

/** @throws OptionError where an operation that happens sometimes would change the size */
function checkSize(where: string, p: number, from: Size, to: Size): Size {
  if (p < 1 && (from[0] !== to[0] || from[1] !== to[1]))
    throw new OptionError(
      `augment.${where}: with p ${p} the size must stay ${from[0]}x${from[1]}, got ${to[0]}x${to[1]}`,
    );
  return to;
}

const cropArgument = declareSettings({ size: sides('A side, or [height, width].') });
const cropSettings = declareSettings({
  padding: integer({ minimum: 0, maximum: LONGEST_SIDE })('Pixels added on each side.', { default: 0 }),
  fill: colour('Colour of the pixels that are added, from 0 to 255.', { default: 0 }),
  p: always,
});

export type RandomCropOptions = OptionsOf<typeof cropSettings>;

/**
 * Adds `padding` pixels on each side, then cuts a window of `size` out at a random place.
 * `randomCrop(32, { padding: 4 })` is the usual one for CIFAR. Evaluation takes images as they are, so `size`
 * should be theirs.
 * @throws OptionError
 */
export const randomCrop = maker('randomCrop', cropArgument, cropSettings, (settings, form) => {
  const { size, padding, p } = settings;
  const [h, w] = form.size;
  const [height, width] = size;
  if (height > h + 2 * padding || width > w + 2 * padding)
    throw new OptionError(
      `augment.randomCrop: a window of ${height}x${width} does not fit an image of ${h}x${w} with padding ${padding}`,
    );
  const whole = [height, width, padding].map(fixed);
  const filled = colourParameters('randomCrop', settings.fill, form);
  return {
    numbers: operation('randomCrop', p, [...whole, ...filled]),
    size: checkSize('randomCrop', p, form.size, size),
  };
});

/** Bounds of ratios of sides. */
const ratios = bounds(0.001, 1000);
const logarithms = ([low, high]: Bounds): Parameter[] => [fixed(Math.log(low)), fixed(Math.log(high))];

const resizedSettings = declareSettings({
  scale: bounds(0, 1)('Share of the area that a window has.', { default: [0.08, 1] }),
  ratio: ratios('Width of a window by its height.', { default: [3 / 4, 4 / 3] }),
  interpolation,
  antialias: bool('Averages over what a pixel covers where a window is shrunk; not with "nearest".', {
    default: true,
  }),
  p: always,
});

export type RandomResizedCropOptions = OptionsOf<typeof resizedSettings>;

/**
 * Cuts a window of random area and ratio out at a random place, and resizes it to `size`. The usual one for
 * ImageNet. Where a side shrinks, `antialias` averages over what a pixel covers, as torchvision does, by a
 * filter that reaches as far as the side shrinks; where it grows, pixels are interpolated.
 * @throws OptionError
 */
export const randomResizedCrop = maker(
  'randomResizedCrop',
  cropArgument,
  resizedSettings,
  (settings, form) => {
    const { size, scale, ratio, p } = settings;
    const parameters = [
      ...size.map(fixed),
      ...scale.map(fixed),
      ...logarithms(ratio),
      nearest(settings.interpolation),
      fixed(Number(settings.antialias)),
    ];
    return {
      numbers: operation('randomResizedCrop', p, parameters),
      size: checkSize('randomResizedCrop', p, form.size, size),
    };
  },
);

/** What `affine` of native/augment/operations.cc takes; what is left out does nothing. */
interface AffineParts {
  readonly degrees?: Bounds;
  readonly x?: Bounds;
  readonly y?: Bounds;
  readonly scale?: Bounds;
  readonly shearX?: Bounds;
  readonly shearY?: Bounds;
}

interface Sampled {
  readonly p: number;
  readonly interpolation: 'bilinear' | 'nearest';
  readonly fill: Colour;
}

function drawnFrom(range: Bounds | undefined, otherwise: number): Parameter {
  return range === undefined ? fixed(otherwise) : between(range);
}

function affineNode(where: string, parts: AffineParts, settings: Sampled, form: ImageForm) {
  const parameters = [
    drawnFrom(parts.degrees, 0),
    drawnFrom(parts.x, 0),
    drawnFrom(parts.y, 0),
    drawnFrom(parts.scale, 1),
    drawnFrom(parts.shearX, 0),
    drawnFrom(parts.shearY, 0),
    nearest(settings.interpolation),
    ...colourParameters(where, settings.fill, form),
  ];
  return { numbers: operation('affine', settings.p, parameters) };
}

const sampled = { interpolation, fill, p: always };
const sampledSettings = declareSettings(sampled);

export type RotateOptions = OptionsOf<typeof sampledSettings>;

const angles = bounds(-360, 360, around0);
const shears = bounds(-89, 89, around0);

/**
 * Turns an image about its centre by a random angle: `rotate(15)` from -15 to 15 degrees, `rotate([0, 90])`
 * between these, counter-clockwise.
 * @throws OptionError
 */
export const rotate = maker(
  'rotate',
  declareSettings({ degrees: angles('Bounds of the angle.') }),
  sampledSettings,
  (settings, form) => {
    const [low, high] = settings.degrees;
    return affineNode('rotate', { degrees: [-high, -low] }, settings, form);
  },
);

const isShare = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;

/** Shares of the width and of the height; one number for both. */
const shares = kind<readonly [x: number, y: number], number | readonly [x: number, y: number]>({
  check: (where, name, value) => {
    const both: readonly unknown[] = Array.isArray(value) ? value : [value, value];
    if (both.length === 2 && both.every(isShare)) return both as readonly [number, number];
    throw new OptionError(
      `${where}: ${name} must be a number from 0 to 1, or [x, y] of such, got ${show(value)}`,
    );
  },
  domain: { type: 'number', minimum: 0, maximum: 1 },
});

/**
 * Moves an image by a random number of whole pixels: `translate(0.1)` by up to a tenth of each side,
 * `translate([0.1, 0])` only sideways.
 * @throws OptionError
 */
export const translate = maker(
  'translate',
  declareSettings({ shares: shares('Most of the width and of the height that it moves by.') }),
  sampledSettings,
  (settings, form) => {
    const [x, y] = settings.shares;
    return affineNode('translate', { x: around0(x), y: around0(y) }, settings, form);
  },
);

const shearSettings = declareSettings({
  y: shears('Bounds of the vertical shear, in degrees.', { default: 0 }),
  ...sampled,
});

export type ShearOptions = OptionsOf<typeof shearSettings>;

/**
 * Shears an image about its centre: `shear(10)` by -10 to 10 degrees, horizontally.
 * @throws OptionError
 */
export const shear = maker(
  'shear',
  declareSettings({ x: shears('Bounds of the horizontal shear, in degrees.') }),
  shearSettings,
  (settings, form) => affineNode('shear', { shearX: settings.x, shearY: settings.y }, settings, form),
);

const scales = bounds(0.01, 100);

/** Zooms into an image, or out of it, about its centre: `scale([0.8, 1.25])`. @throws OptionError */
export const scale = maker(
  'scale',
  declareSettings({ factors: scales('Bounds of the factor.') }),
  sampledSettings,
  (settings, form) => affineNode('scale', { scale: settings.factors }, settings, form),
);

/** Bounds of the horizontal and of the vertical shear. */
type Shears = readonly [x: Bounds, y: Bounds];

/** As in torchvision: a number, two bounds for the horizontal shear, or two more for the vertical one. */
const bothShears = kind<Shears, number | Bounds | readonly [number, number, number, number]>({
  check: (where, name, value) => {
    const one = shears('');
    if (!Array.isArray(value) || value.length !== 4) return [one.check(where, name, value), [0, 0]];
    return [one.check(where, name, value.slice(0, 2)), one.check(where, name, value.slice(2))];
  },
  domain: { type: 'other' },
});

const affineSettings = declareSettings({
  translate: shares('Most of the width and of the height that it moves by.', { default: 0 }),
  scale: scales('Bounds of the factor.', { default: [1, 1] }),
  shear: bothShears('Bounds of the shear, in degrees.', { default: 0 }),
  ...sampled,
});

export type AffineOptions = OptionsOf<typeof affineSettings>;

/**
 * A random rotation, scaling, shear and translation about the centre: torchvision's RandomAffine.
 * `affine(15, { translate: 0.1, scale: [0.8, 1.2] })`; angles are clockwise.
 * @throws OptionError
 */
export const affine = maker(
  'affine',
  declareSettings({ degrees: angles('Bounds of the angle.') }),
  affineSettings,
  (settings, form) => {
    const { degrees, scale, translate, shear } = settings;
    const [x, y] = [around0(translate[0]), around0(translate[1])];
    return affineNode('affine', { degrees, x, y, scale, shearX: shear[0], shearY: shear[1] }, settings, form);
  },
);

const elasticSettings = declareSettings({
  alpha: number({ minimum: 0, maximum: 1e4 })('Strength of the displacements.', { default: 50 }),
  sigma: number({ minimum: 0.1, maximum: 100 })('Deviation of the Gaussian that smooths them, in pixels.', {
    default: 5,
  }),
  ...sampled,
});

export type ElasticOptions = OptionsOf<typeof elasticSettings>;

/**
 * Warps an image smoothly: each pixel moves by alpha / 2 times noise from -1 to 1 that a Gaussian
 * has smoothed. On square images, torchvision's ElasticTransform; Simard et al. 2003, "Best practices for
 * convolutional neural networks".
 * @throws OptionError
 */
export const elastic = maker('elastic', noArgument, elasticSettings, (settings, form) => {
  const { alpha, sigma, p } = settings;
  const how = nearest(settings.interpolation);
  const filled = colourParameters('elastic', settings.fill, form);
  return { numbers: operation('elastic', p, [fixed(alpha), fixed(sigma), how, ...filled]) };
});
