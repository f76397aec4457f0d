/** The augmentations of `--augment`: those of lib/augment, as text, and `crop`, which suits the data. */
import type { Augmentation, SubPolicy } from '../augment';
import { COMPOSED, parseAugmentation, withPolicies, type Spelled } from '../augment/parse';
import { augmentations } from '../augment/registry';
import { splitCalls } from '../augment/spelling';
import { show } from '../options';
import { OptionError } from '../errors';
import { kind } from '../settings';
import { readPolicy } from '../tune/policy/file';

/** The images that an augmentation is made for. */
interface Images {
  readonly inputShape: readonly number[];
}

/** Names that `--augment` takes, for its help. */
export const AUGMENTATIONS: readonly string[] = ['crop', ...Object.keys(augmentations), ...COMPOSED];

/** The augmentation that a text stands for. @throws OptionError */
export function augmentationFor(text: string, images: Images): Augmentation {
  return parseAugmentation(text, { where: 'option', aliases: aliasesFor(images) });
}

function aliasesFor({ inputShape: [, height = 1, width = 1] }: Images) {
  return { crop: (call: Spelled) => padded(call, height, width) };
}

/** A crop as large as the images. Pads by an eighth of the side, as is usual for CIFAR (4 of 32). */
function padded({ positional, named }: Spelled, height: number, width: number): Spelled {
  const usual =
    positional.length > 0 ? {} : { padding: Math.max(1, Math.round(Math.min(height, width) / 8)) };
  return {
    name: 'randomCrop',
    positional: [[height, width], ...positional],
    named: { ...usual, ...named },
  };
}

/** Arguments of a typical use on images of some size, for augmentations that need some. */
const TYPICAL: Readonly<Record<string, (height: number, width: number) => string>> = {
  randomCrop: (h, w) => `${h}:${w}, padding=${Math.ceil(Math.min(h, w) / 8)}`,
  randomResizedCrop: (h, w) => `${h}:${w}`,
  // The ratios of ResNet's 256 and 480 to its 224.
  randomScaleCrop: (h, w) =>
    `${h}:${w}, shortSide=${[256, 480].map((side) => Math.ceil((Math.max(h, w) * side) / 224)).join(':')}`,
  rotate: () => '15',
  translate: () => '0.2',
  shear: () => '15',
  scale: () => '0.7:1.4',
  affine: () => '15, translate=0.1, scale=0.8:1.2, shear=10',
  cutout: (h, w) => String(Math.ceil(Math.min(h, w) / 2)),
  brightness: () => '0.4',
  contrast: () => '0.4',
  saturation: () => '0.4',
  hue: () => '0.1',
  gamma: () => '0.5:2',
  posterize: () => '3',
  solarize: () => '128',
  colorJitter: () => 'brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1',
  gaussianBlur: () => '5',
  sharpness: () => '2',
  autoAugment: () => 'cifar10',
};

/**
 * Every augmentation as `--augment` takes it, with a typical setting for images of this shape [C, H, W], and
 * a probability of 1.
 */
export function typicalCalls([, height = 1, width = 1]: readonly number[]): string[] {
  return Object.values(augmentations).map(({ kind: name, settings }) => {
    const usual = TYPICAL[name]?.(height, width) ?? '';
    const rare = settings.declared['p'] !== undefined && settings.declared['p'].default !== 1;
    const given = [usual, rare ? 'p=1' : ''].filter((part) => part !== '').join(', ');
    return given === '' ? name : `${name}(${given})`;
  });
}

/** Stands for the policy in a file that is not read yet. */
const SOME_POLICY: readonly SubPolicy[] = [[['Identity', 1]]];

/** Texts of augmentations, each checked as far as it can be without the data. */
export const augmentationList = kind<readonly string[]>({
  check: (where, name, value) => {
    if (!Array.isArray(value) || !value.every((text): text is string => typeof text === 'string'))
      throw new OptionError(`${where}: ${name} must be a list of augmentations, got ${show(value)}`);
    const aliases = aliasesFor({ inputShape: [3, 32, 32] });
    for (const text of value)
      parseAugmentation(text, { where: `${where}: ${name}`, aliases, policyIn: () => SOME_POLICY });
    return value;
  },
  domain: { type: 'list', of: { type: 'string' } },
});

/** Reads `crop,cutout(8)`, each once; `none` is the empty list. */
export function parseAugmentations(_flag: string, text: string): string[] {
  return text === 'none' ? [] : [...new Set(splitCalls(text))];
}

/**
 * The options with the policies of the files that `--augment` names: what a run keeps, so that it does not
 * depend on them later. @throws FormatError, DataError, IoError
 */
export async function withPolicyFiles<T extends { readonly augment?: readonly string[] | undefined }>(
  given: T,
): Promise<T> {
  if (given.augment === undefined) return given;
  const augment: string[] = [];
  for (const text of given.augment)
    augment.push(await withPolicies(text, '--augment', (file) => readPolicy(file)));
  return { ...given, augment };
}

/** For the help of `--augment`. */
export function augmentationHelp(): string {
  return `augmentations, separated by commas, or none; with arguments as in cutout(8) or oneOf(flip,rotate(15),p=0.5): ${AUGMENTATIONS.join(', ')}`;
}
