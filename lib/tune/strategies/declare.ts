/** What the makers of strategies share: declared settings, among them a seed. */
import { OptionError } from '../../errors';
import { nonNegativeInteger, type Declared, type Json, type Settings, type ValuesOf } from '../../settings';
import { declareMaker, whereOf, type Maker } from '../maker';
import type { Direction } from '../study/trial';
import { atOnce } from './steps';
import type { SearchState, Strategy } from './strategy';

/** The setting that every strategy has. */
export const seed = nonNegativeInteger('Seed of whatever is drawn at random.', { default: 0 });

/** A strategy either suggests at once, or in steps. */
export type Suggesting = Pick<Strategy, 'check' | 'mayContinue'> &
  (Pick<Strategy, 'suggest'> | Required<Pick<Strategy, 'steps'>>);

/** Declares a strategy: `make` gets its settings, checked and with defaults. */
export function declareStrategy<D extends Declared & { readonly seed: typeof seed }>(
  name: string,
  settings: Settings<D>,
  make: (values: ValuesOf<D>) => Suggesting,
): Maker<Strategy, D> {
  return declareMaker(name, settings, (values): Strategy => {
    const { seed: own, ...others }: Record<string, Json> = settings.toJson(values);
    const made = make(values);
    const suggesting =
      'steps' in made ? { ...made, suggest: (state: SearchState) => atOnce(made.steps(state)) } : made;
    return { name, seed: own as number, settings: others, ...suggesting };
  });
}

/** @throws OptionError where there are several objectives */
export function requireOneObjective(name: string, directions: readonly Direction[]): void {
  if (directions.length === 1) return;
  throw new OptionError(
    `${whereOf(name)}: searches for one objective, and the study has ${directions.length}; tune.random and tune.tpe take several`,
  );
}
