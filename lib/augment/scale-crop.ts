/** Scale augmentation as ResNet has it. */
import { OptionError } from '../errors';
import { randomScaleCrops } from '../ops';
import { declareSettings, type OptionsOf } from '../settings';
import type { Augmentation } from './augmentation';
import { LONGEST_SIDE, sides, wholeBounds, type Sides } from './kinds';
import { WindowAugmentation } from './windows';

const cropArgument = declareSettings({ size: sides('A side, or [height, width].') });
const scaleSettings = declareSettings({
  shortSide: wholeBounds(1, LONGEST_SIDE)(
    'Least and most length of the short side, in pixels, or one number for both.',
    {
      default: [256, 480],
    },
  ),
});

export type RandomScaleCropOptions = OptionsOf<typeof scaleSettings>;

function makeScaleCrop(given: Sides, options: RandomScaleCropOptions = {}): Augmentation {
  const where = 'augment.randomScaleCrop';
  const { size } = cropArgument.read(where, { size: given });
  const { shortSide } = scaleSettings.read(where, options);
  if (shortSide[0] < Math.max(...size))
    throw new OptionError(
      `${where}: a window of ${size.join('x')} does not fit into images of short side ${shortSide[0]}`,
    );
  return new WindowAugmentation('randomScaleCrop', { size, shortSide }, size, (operands, draws) =>
    randomScaleCrops(operands, { ...draws, shortSide }),
  );
}

/**
 * Resizes an image so that its short side has a random length, and cuts a window of `size` out at a random
 * place, in one resampling: `randomScaleCrop(224, { shortSide: [256, 480] })` is ResNet's (Simonyan,
 * Zisserman 2015; He et al. 2016), for images that `data.folder({ keep: { shortSide: 480 } })` keeps.
 * @throws OptionError
 */
export const randomScaleCrop = Object.assign(makeScaleCrop, {
  kind: 'randomScaleCrop',
  args: cropArgument,
  settings: scaleSettings,
});
