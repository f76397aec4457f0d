/**
 * Augmentations that the native interpreter runs: those that `augment` has, and what is put together of them.
 */
import { OptionError } from '../errors';
import { augmentImages } from '../ops';
import { clip } from '../options';
import {
  declareSettings,
  type Declared,
  type OptionsOf,
  type Setting,
  type Settings,
  type ValuesOf,
} from '../settings';
import { everyRow } from '../data/stored-images';
import type { Tensor } from '../tensor/tensor';
import type { Augmentation, Draws, ImageBatch } from './augmentation';
import type { Coded, ImageForm, Size } from './program';

/** How an augmentation becomes a node of a program. @throws OptionError where it does not suit the images */
export type Encode = (form: ImageForm) => Coded;

export class NativeAugmentation implements Augmentation {
  constructor(
    readonly name: string,
    readonly settings: Readonly<Record<string, unknown>>,
    readonly encode: Encode,
  ) {}

  /** By itself; a list puts its neighbours into the same call. */
  record(batch: ImageBatch, draws: Draws): ImageBatch {
    const { images, samples } = batch;
    const stored = { data: images, index: everyRow(images), samples, mean: [] };
    return { ...batch, images: recordProgram([[draws.place, this]], stored, draws) };
  }
}

/** Augmentations with their places in the list. */
export type Placed = readonly (readonly [place: number, item: NativeAugmentation])[];

/** Images in memory, u8 [N, C, H, W], and which of them a batch is made of. */
interface Stored {
  readonly data: Tensor;
  readonly index: Tensor;
  readonly samples: Tensor;
  /** The mean of each channel; empty where it is not known. */
  readonly mean: readonly number[];
}

/** The most numbers of a program that the native interpreter takes. */
const MOST_NUMBERS = 2 ** 16;

/**
 * Neighbours in a list, as one program.
 * @throws OptionError where one does not suit the images, or holds too many operations
 */
export function encodeAll(items: Placed, form: ImageForm): Coded {
  let { size } = form;
  const numbers: number[] = [];
  for (const [place, item] of items) {
    const coded = item.encode({ ...form, size });
    if (numbers.length + 1 + coded.numbers.length > MOST_NUMBERS)
      throw new OptionError(
        `augment: ${clip(item.name)} holds too many operations: a list is a program of up to ${MOST_NUMBERS} numbers, and with it of ${numbers.length + 1 + coded.numbers.length}`,
      );
    numbers.push(place);
    for (const number of coded.numbers) numbers.push(number);
    size = coded.size;
  }
  return { numbers, size };
}

/** Records neighbours in a list: one call for all of them. */
export function recordProgram(
  items: Placed,
  stored: Stored,
  { seed, epoch, occurrence }: Pick<Draws, 'seed' | 'epoch' | 'occurrence'>,
): Tensor {
  const { data, index, samples, mean } = stored;
  const [, channels = 1, height = 1, width = 1] = data.shape;
  const { numbers, size } = encodeAll(items, { channels, size: [height, width], mean });
  return augmentImages({ data, index, samples, occurrence, epoch }, { seed, program: numbers, size });
}

/** Options may be left out where they may be empty. */
type Trailing<O> = object extends O ? [options?: O] : [options: O];

type GivenTo<S> = S extends Setting<infer _T, infer G> ? G : never;

/** The argument before the options, if there is one. */
type Before<A extends Declared> = [keyof A] extends [never] ? [] : [GivenTo<A[keyof A]>];

/** What makes augmentations of one kind: `augment.rotate(15, { p: 0.5 })`. */
export interface Maker<A extends readonly unknown[] = readonly never[], O = never> {
  /** @throws OptionError */
  (...given: [...A, ...Trailing<O>]): Augmentation;
  readonly kind: string;
  /** The declaration of the argument before the options, if there is one. */
  readonly args: Settings<Declared>;
  readonly settings: Settings<Declared>;
}

/** A node of a program from checked settings. Without a size, images keep theirs. */
type Code<V> = (
  values: V,
  form: ImageForm,
) => { readonly numbers: readonly number[]; readonly size?: Size | undefined };

/**
 * Declares a kind of augmentation that native/augment/operations.cc has, or that is made of such. `check`
 * finds what is wrong with several settings together.
 */
export function maker<A extends Declared, D extends Declared>(
  kind: string,
  args: Settings<A>,
  settings: Settings<D>,
  code: Code<ValuesOf<A> & ValuesOf<D>>,
  check?: (where: string, values: ValuesOf<A> & ValuesOf<D>) => void,
): Maker<Before<A>, OptionsOf<D>> {
  const where = `augment.${kind}`;
  const make = (...all: [...Before<A>, ...Trailing<OptionsOf<D>>]): Augmentation => {
    const given: readonly unknown[] = all;
    const before = Object.fromEntries(args.keys.map((key, i) => [key, given[i]]));
    const values = { ...args.read(where, before), ...settings.read(where, given[args.keys.length]) };
    check?.(where, values);
    return new NativeAugmentation(kind, values, (form) => {
      const { numbers, size = form.size } = code(values, form);
      return { numbers, size };
    });
  };
  return Object.assign(make, { kind, args, settings });
}

/** For augmentations that take options only. */
export const noArgument = declareSettings({});
