/**
 * What the makers of strategies share: declared settings, a seed, a name for the command line and the log.
 */
import { OptionError } from '../../errors';
import {
  nonNegativeInteger,
  type Declared,
  type Json,
  type OptionsOf,
  type Settings,
  type ValuesOf,
} from '../../settings';
import type { Direction } from '../study/trial';
import type { Strategy } from './strategy';

/** The setting that every strategy has. */
export const seed = nonNegativeInteger('Seed of whatever is drawn at random.', { default: 0 });

/** A function of `tune` that makes a strategy, `tune.tpe`, with the declaration of its options. */
export interface StrategyMaker<D extends Declared> {
  /** @throws OptionError */
  (options?: OptionsOf<D>): Strategy;
  readonly kind: string;
  readonly settings: Settings<D>;
}

/** How messages call the strategy of a name. */
export const whereOf = (name: string): string => `tune.${name}`;

/** Declares a strategy: `make` gets its settings, checked and with defaults. */
export function declareStrategy<D extends Declared & { readonly seed: typeof seed }>(
  name: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => Pick<Strategy, 'check' | 'suggest'>,
): StrategyMaker<D> {
  const maker = (options?: OptionsOf<D>): Strategy => {
    const values = settings.read(whereOf(name), options);
    const { seed: own, ...others }: Record<string, Json> = settings.toJson(values);
    return { name, seed: own as number, settings: others, ...make(values) };
  };
  return Object.assign(maker, { kind: name, settings });
}

/** @throws OptionError where there are several objectives */
export function requireOneObjective(name: string, directions: readonly Direction[]): void {
  if (directions.length === 1) return;
  throw new OptionError(
    `${whereOf(name)}: searches for one objective, and the study has ${directions.length}; tune.random and tune.tpe take several`,
  );
}
