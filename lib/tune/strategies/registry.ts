/** The strategies by name, for whoever lets a user choose one. */
import type { Declared, Settings } from '../../settings';
import * as makers from './makers';
import type { Strategy } from './strategy';

/** A maker whose options are not known: they are checked when it is called. */
export interface AnyStrategyMaker {
  /** @throws OptionError */
  (options?: object): Strategy;
  readonly kind: string;
  readonly settings: Settings<Declared>;
}

/** What makes each strategy, with the declaration of its settings, in the order of makers.ts. */
export const strategies: Readonly<Record<string, AnyStrategyMaker>> = Object.fromEntries(
  Object.values(makers).map((maker) => [maker.kind, maker as AnyStrategyMaker]),
);
