/** The augmentations by name, for whoever lets a user choose one. */
import type { Declared, Settings } from '../settings';
import type { Augmentation } from './augmentation';
import * as makers from './makers';

/** A maker whose types of arguments are not known: they are checked when it is called. */
export interface AnyMaker {
  (...given: readonly unknown[]): Augmentation;
  readonly kind: string;
  readonly args: Settings<Declared>;
  readonly settings: Settings<Declared>;
}

/**
 * What makes each augmentation, with the declaration of its settings, in the order of lib/augment/makers.ts.
 */
export const augmentations: Readonly<Record<string, AnyMaker>> = Object.fromEntries(
  Object.values(makers).map((maker) => [maker.kind, maker as AnyMaker]),
);
