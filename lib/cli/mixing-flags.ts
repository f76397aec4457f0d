/** `--mixup` and `--cutmix`. */
import { cutmix, mixup, oneOf, type Augmentation } from '../augment';
import { MIX_ALPHA } from '../ops/mix-samples';
import { number } from '../settings';
import { flag, orNull } from './flags';

const alpha = (what: string) =>
  flag(
    'alpha',
    // Absent in runs of versions without mixing.
    orNull(number(MIX_ALPHA))(`${what}; the share that a sample keeps is drawn from Beta(alpha, alpha)`, {
      default: null,
      absent: null,
    }),
    { note: 'off' },
  );

export const MIXING_FLAGS = {
  mixup: alpha('mixes training examples with each other'),
  cutmix: alpha('replaces windows of training examples by those of others'),
};

/** What the options ask for: with both, one of them for each sample. */
export function mixingFor(recipe: {
  readonly mixup: number | null;
  readonly cutmix: number | null;
}): Augmentation[] {
  const ways = [
    ...(recipe.mixup === null ? [] : [mixup({ alpha: recipe.mixup })]),
    ...(recipe.cutmix === null ? [] : [cutmix({ alpha: recipe.cutmix })]),
  ];
  return ways.length > 1 ? [oneOf(ways)] : ways;
}
