/**
 * Augmentation: descriptions of what is done to each training image on its way into a batch. Natively, in the step's own program, and
 * a function of (seed, epoch, sample index): the same images whatever the batch size, the threads or a resume in between.
 */
import { OptionError } from '../errors';
import { checkKeys, nonNegativeInteger, positiveInteger, probability, show } from '../options';

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

/** Mirrors an image left and right with probability `p` (default 0.5). @throws OptionError */
export function flip(options: { readonly p?: number } = {}): Flip {
  checkKeys('augment.flip', options, ['p']);
  return { kind: 'flip', p: probability('augment.flip', 'p', options.p ?? 0.5) };
}

/**
 * Adds `padding` zero pixels (default 0) on each side, then cuts a window of `size` (a side, or [height, width]) out at a random
 * place. `randomCrop(32, { padding: 4 })` is the usual one for CIFAR. Evaluation takes images as they are, so `size` should be theirs.
 * @throws OptionError
 */
export function randomCrop(
  size: number | readonly [height: number, width: number],
  options: { readonly padding?: number } = {},
): RandomCrop {
  const where = 'augment.randomCrop';
  checkKeys(where, options, ['padding']);
  return {
    kind: 'randomCrop',
    padding: nonNegativeInteger(where, 'padding', options.padding ?? 0),
    size: sides(where, size),
  };
}

function sides(where: string, size: unknown): readonly [height: number, width: number] {
  const both: readonly unknown[] = Array.isArray(size) ? size : [size, size];
  if (both.length !== 2)
    throw new OptionError(`${where}: size must be a side or [height, width], got ${show(size)}`);
  return [positiveInteger(where, 'size (height)', both[0]), positiveInteger(where, 'size (width)', both[1])];
}
