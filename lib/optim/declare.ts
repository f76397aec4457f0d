/** From the declaration of an optimizer to the class that it extends. */
import type { UpdateRule } from '../ops/update';
import type { Declared, KeptOf, OptionsOf, Settings, ValuesOf } from '../settings';
import type { commonSettings } from './common';
import type { Declaration } from './declaration';
import { Optimizer } from './optimizer';

type Common = 'lr' | keyof ReturnType<typeof commonSettings>;

/** Fields of an optimizer: its numbers may be changed between steps, and nothing is compiled anew. */
type Fields<N, D> = {
  -readonly [K in keyof Pick<N, keyof N>]: KeptOf<N[K]>;
} & {
  readonly [K in keyof Pick<D, Exclude<keyof D, keyof N | Common>>]: KeptOf<D[K]>;
};

/** Options may be left out where they may be empty. @inline */
type Given<O, More extends readonly unknown[] = []> = object extends O
  ? [options?: O, ...more: More]
  : [options: O, ...more: More];

type Made<K, N extends Declared, D extends Declared> = Optimizer<ValuesOf<N>> &
  Fields<N, D> & { readonly kind: K };

/** A class with a field for each of its settings. */
export interface OptimizerClass<
  K extends string,
  N extends Declared,
  D extends Declared,
  S extends string,
  F extends string,
> {
  new (...given: Given<OptionsOf<D>>): Made<K, N, D>;
  /** @internal */
  new (...given: Given<OptionsOf<D>, [other?: Partial<Declaration<K, N, D, S, F>>]>): Made<K, N, D>;
  /** One step, as an op: for updates of tensors that you keep yourself. */
  readonly rule: UpdateRule<S, F>;
}

/**
 * The class that an optimizer extends: checks its options and has a field for each setting. `other` is what
 * another optimizer of the same class declares differently.
 */
export function optimizerOf<
  const K extends string,
  N extends Declared,
  D extends Declared,
  S extends string,
  F extends string,
>(declaration: Declaration<K, N, D, S, F>): OptimizerClass<K, N, D, S, F> {
  class WithSettings extends Optimizer<ValuesOf<N>> {
    static readonly rule = declaration.rule;

    constructor(...[options, other]: Given<OptionsOf<D>, [other?: Partial<Declaration<K, N, D, S, F>>]>) {
      super({ ...declaration, ...other }, options);
    }
  }
  return WithSettings as OptimizerClass<K, N, D, S, F>;
}

/** What `tenon train` begins with where its caller does not say. */
export interface Preset {
  readonly lr: number;
  /** The rate for deep networks with batch norm, where it is another. */
  readonly deep?: number;
  /** The rate for deep networks without. */
  readonly plain?: number;
  /** Absent where the optimizer has none. */
  readonly momentum?: number;
  readonly weightDecay: number;
  /** Further options; `momentum` is what the caller chose, or the preset's. */
  readonly options?: (momentum: number) => object;
}

/** What makes an optimizer: `optim.sgd({ lr: 0.1 })`. */
export interface Maker<O extends object, T extends Optimizer = Optimizer> {
  /** @throws OptionError on unknown keys, and on values that are out of range or contradict each other */
  (...given: Given<O>): T;
  /** The declaration of its options, by name. @hidden */
  readonly settings: Settings<Declared>;
  readonly preset: Preset;
}

/** @param preset as far as it differs from the defaults of the settings */
export function maker<O extends object, T extends Optimizer>(
  settings: Settings<Declared>,
  make: (...given: Given<O>) => T,
  preset: Partial<Preset> = {},
): Maker<O, T> {
  const usual: Record<string, unknown> = {};
  for (const name of ['lr', 'momentum', 'weightDecay'])
    if (Object.hasOwn(settings.declared, name)) usual[name] = settings.declared[name]!.default;
  return Object.assign((...given: Given<O>) => make(...given), {
    settings,
    preset: { ...usual, ...preset } as Preset,
  });
}
