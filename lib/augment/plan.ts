/** From descriptions of augmentation to what the native batch kernel takes. */
import { OptionError } from '../errors';
import { show, showMade } from '../options';
import type { Augmentation, RandomCrop } from './index';

/** What the native batch kernel takes. */
export interface AugmentPlan {
  readonly flip: number;
  readonly padding: number;
  readonly size: readonly [height: number, width: number];
}

/**
 * Merges a list of augmentations for images of `size`.
 * @throws OptionError for something that is not a list of augmentations, one given twice, or a crop that does
 *   not fit
 */
export function planAugmentation(
  list: readonly Augmentation[],
  size: readonly [height: number, width: number],
): AugmentPlan {
  const given: unknown = list;
  if (!Array.isArray(given))
    throw new OptionError(`augment: expected a list of augmentations, got ${show(given)}`);
  let plan: AugmentPlan = { flip: 0, padding: 0, size };
  const seen = new Set<string>();
  for (const item of list) {
    const kind: unknown = (item as { kind?: unknown } | undefined)?.kind;
    if (kind !== 'flip' && kind !== 'randomCrop')
      throw new OptionError(
        `augment: expected augment.flip(), augment.randomCrop(), ..., got ${showMade(item)}`,
      );
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
