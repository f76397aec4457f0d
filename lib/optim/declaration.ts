/** What an optimizer says about itself; lib/optim/declare.ts makes a class of it. */
import type { Flags, UpdateRule } from '../ops/update';
import type { Declared, Settings, ValuesOf } from '../settings';

/**
 * What a class of optimizers is made from. `N` are those of its settings `D` that groups may set, `S` the
 * scalars and `F` the flags of its rule.
 */
export interface Declaration<
  K extends string = string,
  N extends Declared = Declared,
  D extends Declared = Declared,
  S extends string = string,
  F extends string = string,
> {
  /** Short name, for reports and checkpoints; it is also that of the maker: `sgd` for `optim.sgd`. */
  readonly kind: K;
  readonly settings: Settings<D>;
  /** Those of the settings that groups may set, and that may change between steps. */
  readonly numbers: N;
  readonly rule: UpdateRule<S, F>;
  /** Names of the state tensors that each parameter has, in the kernel's order. */
  states(values: ValuesOf<D>): readonly string[];
  /** What state tensors hold at first. Default: 0. */
  initial?(values: ValuesOf<D>): number;
  /** What the rule does where it leaves a choice. */
  flags(values: ValuesOf<D>, kind: K): Required<Flags<F>>;
  /** Throws where settings contradict each other. */
  check?(where: string, values: ValuesOf<D>): void;
}
