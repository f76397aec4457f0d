/** What makes strategies and rules: functions of `tune`, each with the declaration of its options. */
import type { Declared, OptionsOf, Settings, ValuesOf } from '../settings';

/** `tune.tpe`, `tune.median`. */
export interface Maker<T, D extends Declared> {
  /** @throws OptionError */
  (options?: OptionsOf<D>): T;
  /** Its name in `tune`, on the command line and in the log. */
  readonly kind: string;
  readonly settings: Settings<D>;
}

/** A maker whose options are not known: they are checked when it is called. */
export interface AnyMaker<T> {
  /** @throws OptionError */
  (options?: object): T;
  readonly kind: string;
  readonly settings: Settings<Declared>;
}

/** How messages call the maker of a name. */
export const whereOf = (name: string): string => `tune.${name}`;

/** `make` gets the settings, checked and with defaults. */
export function declareMaker<T, D extends Declared>(
  kind: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => T,
): Maker<T, D> {
  const maker = (options?: OptionsOf<D>): T => make(settings.read(whereOf(kind), options));
  return Object.assign(maker, { kind, settings });
}

/** Makers of one sort by their names, for whoever lets a user choose one; in the order of their module. */
export function makersByName<T>(
  makers: Readonly<Record<string, { readonly kind: string }>>,
): Readonly<Record<string, AnyMaker<T>>> {
  return Object.fromEntries(Object.values(makers).map((maker) => [maker.kind, maker as AnyMaker<T>]));
}
