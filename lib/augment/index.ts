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
  checkKeys('augment.randomCrop', options, ['padding']);
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return {
    kind: 'randomCrop',
    padding: nonNegativeInteger('augment.randomCrop', 'padding', options.padding ?? 0),
    size: [
      positiveInteger('augment.randomCrop', 'size (height)', height),
      positiveInteger('augment.randomCrop', 'size (width)', width),
    ],
  };
}

/** What the native batch kernel takes. */
export interface AugmentPlan {
  readonly flip: number;
  readonly padding: number;
  readonly size: readonly [height: number, width: number];
}

/**
 * Merges a list of augmentations for images of `size`.
 * @throws OptionError for something that is no augmentation, one given twice, or a crop that does not fit
 */
export function planAugmentation(
  list: readonly Augmentation[],
  size: readonly [height: number, width: number],
): AugmentPlan {
  let plan: AugmentPlan = { flip: 0, padding: 0, size };
  const seen = new Set<string>();
  for (const item of list) {
    const kind: unknown = (item as { kind?: unknown } | undefined)?.kind;
    if (kind !== 'flip' && kind !== 'randomCrop')
      throw new OptionError(`augment: expected augment.flip(), augment.randomCrop(), ..., got ${show(item)}`);
    if (seen.has(kind)) throw new OptionError(`augment: ${kind} is given twice`);
    seen.add(kind);
    if (item.kind === 'flip') plan = { ...plan, flip: item.p };
    else plan = { ...plan, padding: item.padding, size: cropSize(item, size) };
  }
  return plan;
}

function cropSize(crop: RandomCrop, [h, w]: readonly [number, number]): readonly [number, number] {
  const [height, width] = crop.size ?? [h, w];
  if (height > h + 2 * crop.padding || width > w + 2 * crop.padding) {
    throw new OptionError(
      `augment.randomCrop: a window of ${height}x${width} does not fit an image of ${h}x${w} with padding ${crop.padding}`,
    );
  }
  return [height, width];
}
