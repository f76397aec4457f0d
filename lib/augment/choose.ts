/** Augmentations made of others: all of a list, one of it, or some. */
import { OptionError } from '../errors';
import { MIX_WEIGHT } from '../ops/mix-samples';
import { checkList, show, showMade } from '../options';
import { bool, declareSettings, kind, listOf, number, type OptionsOf } from '../settings';
import type { Augmentation } from './augmentation';
import { always } from './kinds';
import { Mixing } from './mixing';
import { NativeAugmentation } from './native';
import { oneOfNodes, sequenceOf, someOfNodes, type Coded, type ImageForm, type Size } from './program';

const sequenceSettings = declareSettings({ p: always });

export type SequenceOptions = OptionsOf<typeof sequenceSettings>;

/**
 * All of these, one after the other, or with probability 1 - p none: torchvision's RandomApply. Only for
 * augmentations that `augment` has.
 * @throws OptionError
 */
export function sequence(list: readonly Augmentation[], options?: SequenceOptions): Augmentation {
  const { items, values } = read('sequence', list, sequenceSettings, options);
  return made('sequence', items, values, (form) => {
    let { size } = form;
    const nodes = items.map((item) => {
      const coded = item.encode({ ...form, size });
      ({ size } = coded);
      return coded.numbers;
    });
    if (values.p < 1) sameSize('sequence', form.size, size);
    return { numbers: sequenceOf(values.p, nodes), size };
  });
}

const oneOfSettings = declareSettings({
  weights: listOf(number(MIX_WEIGHT))(
    'How likely each is, compared with the others. Default: all the same.',
    {
      optional: true,
    },
  ),
  p: always,
});

export type OneOfOptions = OptionsOf<typeof oneOfSettings>;

/**
 * One of these, drawn at random for each image: torchvision's RandomChoice. Only for augmentations that
 * `augment` has, and either all of them mix samples or none does: `oneOf([mixup(), cutmix()])`.
 * @throws OptionError
 */
export function oneOf(list: readonly Augmentation[], options?: OneOfOptions): Augmentation {
  if (Array.isArray(list) && list.length > 0 && list.every((item) => item instanceof Mixing))
    return oneMixing(list, options);
  const { items, values } = read('oneOf', list, oneOfSettings, options);
  const weights = weightsOf(values, items.length);
  return made('oneOf', items, values, (form) => {
    const coded = items.map((item) => item.encode(form));
    const { size } = coded[0]!;
    for (const other of coded) sameSize('oneOf', size, other.size);
    if (values.p < 1) sameSize('oneOf', form.size, size);
    const nodes = coded.map(({ numbers }) => numbers);
    return { numbers: oneOfNodes(values.p, nodes, weights), size };
  });
}

function weightsOf(
  { weights }: { readonly weights?: readonly number[] | undefined },
  count: number,
): readonly number[] {
  if (weights === undefined) return Array<number>(count).fill(1);
  if (weights.length !== count)
    throw new OptionError(`augment.oneOf: ${weights.length} weights for ${count} augmentations`);
  if (!weights.some((weight) => weight > 0)) throw new OptionError('augment.oneOf: all weights are 0');
  return weights;
}

/** One of several ways of mixing, drawn for each sample. */
function oneMixing(items: readonly Mixing[], options: unknown): Mixing {
  const values = oneOfSettings.read('augment.oneOf', options);
  const weights = weightsOf(values, items.length);
  if (items.some(({ choices }) => choices.length > 1))
    throw new OptionError(
      'augment.oneOf: expected augment.mixup() and augment.cutmix(), got a choice of them',
    );
  const choices = items.map((item, i) => ({ ...item.choices[0]!, weight: weights[i]! }));
  return new Mixing('oneOf', { list: listed(items), ...values }, choices, values.p);
}

const someOfSettings = declareSettings({
  replace: bool('One may be drawn more than once; they then happen in the order in which they are drawn.', {
    default: false,
  }),
  p: always,
});

export type SomeOfOptions = OptionsOf<typeof someOfSettings>;

/** How many: a number, or one that is drawn between two. */
const howMany = kind<readonly [number, number], number | readonly [number, number]>({
  check: (where, name, value) => {
    const both: readonly unknown[] = Array.isArray(value) ? value : [value, value];
    const valid = (n: unknown): n is number => typeof n === 'number' && Number.isInteger(n) && n >= 0;
    const [least, most] = both;
    if (both.length === 2 && valid(least) && valid(most) && least <= most && most <= 100)
      return [least, most];
    throw new OptionError(
      `${where}: ${name} must be a whole number from 0 to 100, or [least, most], got ${show(value)}`,
    );
  },
  domain: { type: 'integer', minimum: 0, maximum: 100 },
})('How many.');

/**
 * `n` of these, drawn at random for each image, in the order of the list; `n` may be [least, most]. Only for
 * augmentations that `augment` has.
 * @throws OptionError
 */
export function someOf(
  n: number | readonly [least: number, most: number],
  list: readonly Augmentation[],
  options?: SomeOfOptions,
): Augmentation {
  const range = howMany.check('augment.someOf', 'n', n);
  const { items, values } = read('someOf', list, someOfSettings, options);
  if (!values.replace && range[1] > items.length)
    throw new OptionError(
      `augment.someOf: ${range[1]} of ${items.length} augmentations, without replacement`,
    );
  return made('someOf', items, { n: range, ...values }, (form) => {
    const coded = items.map((item) => item.encode(form));
    for (const { size } of coded) sameSize('someOf', form.size, size);
    const nodes = coded.map(({ numbers }) => numbers);
    return { numbers: someOfNodes(values.p, nodes, range, values.replace), size: form.size };
  });
}

function read<V>(
  kindOf: string,
  list: readonly Augmentation[],
  settings: { read(where: string, options: unknown): V },
  options: unknown,
): { readonly items: readonly NativeAugmentation[]; readonly values: V } {
  const where = `augment.${kindOf}`;
  checkList(where, 'list', list);
  if (list.length === 0) throw new OptionError(`${where}: the list is empty`);
  const items = list.map((item: unknown) => {
    if (item instanceof NativeAugmentation) return item;
    throw new OptionError(
      `${where}: expected augmentations such as augment.flip(), got ${showMade(item)}; your own stand in the list itself`,
    );
  });
  return { items, values: settings.read(where, options) };
}

function made(
  name: string,
  items: readonly NativeAugmentation[],
  values: object,
  encode: (form: ImageForm) => Coded,
): Augmentation {
  return new NativeAugmentation(name, { list: listed(items), ...values }, encode);
}

function listed(items: readonly Augmentation[]): object[] {
  return items.map(({ name, settings }) => ({ name, ...settings }));
}

function sameSize(where: string, one: Size, other: Size): void {
  if (one[0] === other[0] && one[1] === other[1]) return;
  throw new OptionError(
    `augment.${where}: images would be ${one.join('x')} or ${other.join('x')}, depending on what is drawn`,
  );
}
