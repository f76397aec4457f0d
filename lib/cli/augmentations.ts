/** The augmentations of `--augment`: those of lib/augment, as text, and `crop`, which suits the data. */
import type { Augmentation } from '../augment';
import { makeCalled, makerOf, parseCall, splitCalls, type SpelledCall } from '../augment/parse';
import { augmentations } from '../augment/registry';
import { show } from '../options';
import { OptionError } from '../errors';
import { kind } from '../settings';

/** The images that an augmentation is made for. */
interface Images {
  readonly inputShape: readonly number[];
}

/** Names that `--augment` takes, for its help. */
export const AUGMENTATIONS: readonly string[] = ['crop', ...Object.keys(augmentations)];

/** The augmentation that a text stands for. @throws OptionError */
export function augmentationFor(text: string, { inputShape }: Images, where = 'option'): Augmentation {
  const [, height = 1, width = 1] = inputShape;
  const call = parseCall(where, text);
  if (call.name !== 'crop') return makeCalled(where, makerOf(where, call.name, ['crop']), call);
  return makeCalled(where, augmentations['randomCrop']!, padded(call, height, width));
}

/** A crop as large as the images. Pads by an eighth of the side, as is usual for CIFAR (4 of 32). */
function padded({ name, positional, named }: SpelledCall, height: number, width: number): SpelledCall {
  const usual =
    positional.length > 0 ? {} : { padding: Math.max(1, Math.round(Math.min(height, width) / 8)) };
  return { name, positional: [[height, width], ...positional], named: { ...usual, ...named } };
}

/** Texts of augmentations, each checked as far as it can be without the data. */
export const augmentationList = kind<readonly string[]>({
  check: (where, name, value) => {
    if (!Array.isArray(value) || !value.every((text): text is string => typeof text === 'string'))
      throw new OptionError(`${where}: ${name} must be a list of augmentations, got ${show(value)}`);
    for (const text of value) augmentationFor(text, { inputShape: [3, 32, 32] }, `${where}: ${name}`);
    return value;
  },
  domain: { type: 'list', of: { type: 'string' } },
});

/** Reads `crop,cutout(8)`, each once; `none` is the empty list. */
export function parseAugmentations(_flag: string, text: string): string[] {
  return text === 'none' ? [] : [...new Set(splitCalls(text))];
}

/** For the help of `--augment`. */
export function augmentationHelp(): string {
  return `augmentations, separated by commas, or none; with arguments as in cutout(8): ${AUGMENTATIONS.join(', ')}`;
}
