/** Augmentations that blur, sharpen or disturb pixels (native/augment/filters.h, native/augment/noise.h). */
import { OptionError } from '../errors';
import { show } from '../options';
import { declareSettings, kind, number, probability, type OptionsOf } from '../settings';
import { alone, always, between, bounds } from './kinds';
import { maker, noArgument } from './native';
import { fixed, operation } from './program';

const MAX_SIZE = 127;

const oddSize = kind<number>({
  check: (where, name, value) => {
    if (typeof value === 'number' && value >= 1 && value <= MAX_SIZE && value % 2 === 1) return value;
    throw new OptionError(
      `${where}: ${name} must be an odd number from 1 to ${MAX_SIZE}, got ${show(value)}`,
    );
  },
  domain: { type: 'integer', minimum: 1, maximum: MAX_SIZE },
});

const blurSettings = declareSettings({
  sigma: bounds(0.01, 100, alone)('Deviation in pixels, or [low, high].', { default: [0.1, 2] }),
  p: always,
});

export type GaussianBlurOptions = OptionsOf<typeof blurSettings>;

/**
 * Blurs with a Gaussian of random deviation, cut off to `kernelSize` x `kernelSize` pixels; the image is
 * mirrored at its edges. torchvision's GaussianBlur: `gaussianBlur(5)`.
 * @throws OptionError
 */
export const gaussianBlur = maker(
  'gaussianBlur',
  declareSettings({ kernelSize: oddSize('Pixels on each side, an odd number.') }),
  blurSettings,
  ({ kernelSize, sigma, p }) => ({
    numbers: operation('gaussianBlur', p, [fixed(kernelSize), between(sigma)]),
  }),
);

const sharpnessSettings = declareSettings({
  p: probability('Probability that it happens.', { default: 0.5 }),
});

export type SharpnessOptions = OptionsOf<typeof sharpnessSettings>;

/**
 * Moves pixels away from the smoothed image, or towards it: 0 is blurred, 1 the image, 2 sharper. Pillow's
 * ImageEnhance.Sharpness, torchvision's RandomAdjustSharpness: `sharpness(2)`.
 * @throws OptionError
 */
export const sharpness = maker(
  'sharpness',
  declareSettings({ factor: bounds(0, 1000, alone)('The factor, or [low, high].') }),
  sharpnessSettings,
  ({ factor, p }) => ({ numbers: operation('sharpness', p, [between(factor)]) }),
);

const noiseSettings = declareSettings({
  mean: number({ minimum: -1, maximum: 1 })('Mean of the noise, of values from 0 to 1.', { default: 0 }),
  sigma: bounds(
    0,
    10,
    alone,
  )('Deviation of the noise, of values from 0 to 1, or [low, high].', {
    default: [0.1, 0.1],
  }),
  p: always,
});

export type GaussianNoiseOptions = OptionsOf<typeof noiseSettings>;

/**
 * Adds normal noise to each channel of each pixel, rounded and cut off to 0 to 255. torchvision's
 * GaussianNoise, whose noise is truncated instead.
 * @throws OptionError
 */
export const gaussianNoise = maker('gaussianNoise', noArgument, noiseSettings, ({ mean, sigma, p }) => ({
  numbers: operation('gaussianNoise', p, [fixed(mean), between(sigma)]),
}));

const saltSettings = declareSettings({
  amount: bounds(
    0,
    1,
    alone,
  )('Share of the pixels that are flipped, or [low, high].', {
    default: [0.05, 0.05],
  }),
  salt: probability('Share of these that become white; the others become black.', { default: 0.5 }),
  p: always,
});

export type SaltAndPepperOptions = OptionsOf<typeof saltSettings>;

/** Pixel flips: turns random pixels white or black. @throws OptionError */
export const saltAndPepper = maker('saltAndPepper', noArgument, saltSettings, ({ amount, salt, p }) => ({
  numbers: operation('saltAndPepper', p, [between(amount), fixed(salt)]),
}));
