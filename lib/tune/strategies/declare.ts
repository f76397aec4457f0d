/** What the makers of strategies share: declared settings, among them a seed. */
import { OptionError } from '../../errors';
import { nonNegativeInteger, type Declared, type Json, type Settings, type ValuesOf } from '../../settings';
import { declareMaker, whereOf, type Maker } from '../maker';
import type { Direction } from '../study/trial';
import type { Strategy } from './strategy';

/** The setting that every strategy has. */
export const seed = nonNegativeInteger('Seed of whatever is drawn at random.', { default: 0 });

/** Declares a strategy: `make` gets its settings, checked and with defaults. */
export function declareStrategy<D extends Declared & { readonly seed: typeof seed }>(
  name: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => Pick<Strategy, 'check' | 'suggest'>,
): Maker<Strategy, D> {
  return declareMaker(name, settings, (values): Strategy => {
    const { seed: own, ...others }: Record<string, Json> = settings.toJson(values);
    return { name, seed: own as number, settings: others, ...make(values) };
  });
}

/** @throws OptionError where there are several objectives */
export function requireOneObjective(name: string, directions: readonly Direction[]): void {
  if (directions.length === 1) return;
  throw new OptionError(
    `${whereOf(name)}: searches for one objective, and the study has ${directions.length}; tune.random and tune.tpe take several`,
  );
}
