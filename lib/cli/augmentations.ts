/** The augmentations of `--augment`, each made for the images of a data set. */
import * as augment from '../augment';
import type { Dataset } from '../data';
import { named } from './names';

export const AUGMENTATIONS = named<(data: Dataset) => augment.Augmentation>()({
  flip: () => augment.flip(),
  /** Pads by an eighth of the side, as is usual for CIFAR (4 of 32). */
  crop: ({ inputShape: [, height = 1, width = 1] }) => {
    const padding = Math.max(1, Math.round(Math.min(height, width) / 8));
    return augment.randomCrop([height, width], { padding });
  },
});

export type AugmentationName = keyof typeof AUGMENTATIONS;
