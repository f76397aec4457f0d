/** The rules by name, for whoever lets a user choose some. */
import type { Declared, Settings } from '../../settings';
import * as makers from './makers';
import type { Rule } from './rule';

/** A maker whose options are not known: they are checked when it is called. */
export interface AnyRuleMaker {
  /** @throws OptionError */
  (options?: object): Rule;
  readonly kind: string;
  readonly settings: Settings<Declared>;
}

/** What makes each rule, with the declaration of its settings, in the order of makers.ts. */
export const rules: Readonly<Record<string, AnyRuleMaker>> = Object.fromEntries(
  Object.values(makers).map((maker) => [maker.kind, maker as AnyRuleMaker]),
);
