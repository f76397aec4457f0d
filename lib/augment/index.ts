/**
 * Augmentation: descriptions of what is done to each training image on its way into a batch. Natively, in the
 * step's own program, and a function of (seed, epoch, sample index): the same images whatever the batch size,
 * the threads or a resume in between.
 */
import { OptionError } from '../errors';
import { positiveInteger, show } from '../options';
import { declareSettings, nonNegativeInteger, probability, type OptionsOf } from '../settings';

/** Mirrors left and right. */
export interface Flip {
  readonly kind: 'flip';
  readonly p: number;
}

/** Cuts a window out at a random place. */
export interface RandomCrop {
  readonly kind: 'randomCrop';
  readonly padding: number;
  /** Height and width of the window; absent: those of the images. */
  readonly size?: readonly [height: number, width: number];
}

export type Augmentation = Flip | RandomCrop;

const flipSettings = declareSettings({
  p: probability('Probability of mirroring an image.', { default: 0.5 }),
});

export type FlipOptions = OptionsOf<typeof flipSettings>;

/** Mirrors an image left and right with probability `p`. @throws OptionError */
export function flip(options: FlipOptions = {}): Flip {
  return { kind: 'flip', ...flipSettings.read('augment.flip', options) };
}

const cropSettings = declareSettings({
  padding: nonNegativeInteger('Zero pixels added on each side.', { default: 0 }),
});

export type RandomCropOptions = OptionsOf<typeof cropSettings>;

/**
 * Adds `padding` zero pixels on each side, then cuts a window of `size` (a side, or [height, width]) out at a
 * random place. `randomCrop(32, { padding: 4 })` is the usual one for CIFAR. Evaluation takes images as they
 * are, so `size` should be theirs.
 * @throws OptionError
 */
export function randomCrop(
  size: number | readonly [height: number, width: number],
  options: RandomCropOptions = {},
): RandomCrop {
  const where = 'augment.randomCrop';
  return { kind: 'randomCrop', ...cropSettings.read(where, options), size: sides(where, size) };
}

function sides(where: string, size: unknown): readonly [height: number, width: number] {
  const both: readonly unknown[] = Array.isArray(size) ? size : [size, size];
  if (both.length !== 2)
    throw new OptionError(`${where}: size must be a side or [height, width], got ${show(size)}`);
  return [positiveInteger(where, 'size (height)', both[0]), positiveInteger(where, 'size (width)', both[1])];
}
