/** Augmentations that paint over a part of an image. */
import { declareSettings, integer, probability, type OptionsOf } from '../settings';
import { always, bounds, colourOr, colourParameters, meanParameters, sides, type Colour } from './kinds';
import { maker, noArgument } from './native';
import { fixed, operation, type ImageForm, type Parameter } from './program';

/** The four parameters of a fill that may be the mean of the data. */
function fillOf(where: string, fill: Colour | 'mean', form: ImageForm): Parameter[] {
  return fill === 'mean' ? meanParameters(form) : colourParameters(where, fill, form);
}

const cutoutSettings = declareSettings({
  holes: integer({ minimum: 1, maximum: 1024 })('How many squares are cut out.', { default: 1 }),
  fill: colourOr('mean')('Colour from 0 to 255, or the mean of the data.', { default: 'mean' }),
  p: always,
});

export type CutoutOptions = OptionsOf<typeof cutoutSettings>;

/**
 * Paints a square of `size` over, whose centre is anywhere in the image: `cutout(8)` or `cutout(16)` for
 * CIFAR. DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with cutout".
 * @throws OptionError
 */
export const cutout = maker(
  'cutout',
  declareSettings({ size: sides('A side, or [height, width].') }),
  cutoutSettings,
  ({ size, holes, fill, p }, form) => ({
    numbers: operation('cutout', p, [...size.map(fixed), fixed(holes), ...fillOf('cutout', fill, form)]),
  }),
);

const erasingSettings = declareSettings({
  p: probability('Probability that it happens.', { default: 0.5 }),
  scale: bounds(0, 1)('Share of the area that is erased.', { default: [0.02, 0.33] }),
  ratio: bounds(0.001, 1000)('Height of the rectangle by its width.', { default: [0.3, 3.3] }),
  value: colourOr('random')('Colour from 0 to 255, or random bytes.', { default: 0 }),
});

export type RandomErasingOptions = OptionsOf<typeof erasingSettings>;

/**
 * Erases a rectangle of random area, ratio and place. torchvision's RandomErasing; Zhong et al. 2017, "Random
 * erasing data augmentation".
 * @throws OptionError
 */
export const randomErasing = maker(
  'randomErasing',
  noArgument,
  erasingSettings,
  ({ p, scale, ratio, value }, form) => {
    const noise = value === 'random';
    const painted = colourParameters('randomErasing', noise ? 0 : value, form);
    const parameters = [...scale, ...ratio.map(Math.log), Number(noise)].map(fixed);
    return { numbers: operation('randomErasing', p, [...parameters, ...painted]) };
  },
);
