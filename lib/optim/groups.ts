/** Parameter groups: which parameters have settings of their own. */
import { OptionError } from '../errors';
import { checkKeys, nonNegative, positive, show, showMade } from '../options';
import type { Declared, OptionsOf } from '../settings';
import { namePattern, type NamePattern } from '../tensor/name-pattern';
import { Parameter } from '../tensor/parameter';

/** Picks parameters: by a pattern of their names ('features', 'layer*', 'fc.bias'), or by a test. */
export type ParameterMatch = NamePattern | ((name: string, parameter: Parameter) => boolean);

/** Parameters with settings of their own. A parameter belongs to the first group that matches it. */
export interface ParameterGroup {
  readonly match: ParameterMatch;
  /** Learning rate of the group. Default: the optimizer's. */
  readonly lr?: number;
  /** Multiplies the group's rate. Default 1. */
  readonly lrScale?: number;
  /** Decay of the group. Default: the optimizer's. */
  readonly weightDecay?: number;
  /** Largest norm of an output unit's weights in the group. Default: the optimizer's. */
  readonly maxNorm?: number;
}

/** A group of an optimizer; groups may set its numbers `N`. @inline */
export type GroupOf<N> = ParameterGroup & OptionsOf<N>;

/** @throws OptionError for something that is not a match */
export function matcher(match: unknown): (name: string, parameter: Parameter) => boolean {
  if (typeof match === 'function') return match as (name: string, parameter: Parameter) => boolean;
  if (typeof match === 'string' || match instanceof RegExp) return namePattern('optimizer', match);
  throw new OptionError(
    `optimizer: a group's match must be a string, a RegExp or a function, got ${show(match)}`,
  );
}

/**
 * The group of parameters that decay does no good to: biases, and scales and shifts of normalization layers;
 * that is, parameters with at most one axis, layer norm's of any shape, and those named `bias`. `settings`
 * are further settings of the group, `{ lr: 0.01 }` or, for LARS and LAMB, `{ adapt: false }`.
 *
 * `optim.adamw({ groups: [optim.noDecay()] })`
 */
export function noDecay<G extends object = object>(
  settings?: G,
): G & { readonly match: ParameterMatch; readonly weightDecay: 0 } {
  return { ...(settings as G), match: (name, parameter) => !decays(name, parameter), weightDecay: 0 };
}

/** Whether decay does a parameter any good: those that {@link noDecay} does not match. @throws OptionError */
export function decays(name: string, parameter: Parameter): boolean {
  const given: unknown = parameter;
  if (!(given instanceof Parameter))
    throw new OptionError(`optim.decays: expected a name and its Parameter, got ${showMade(given)}`);
  return parameter.rank > 1 && !parameter.ofNormalization && !/(^|\.)bias$/.test(name);
}

/** Checks the groups of an optimizer that has these numbers; without them, of any. @throws OptionError */
export function checkGroups<N extends Declared>(
  where: string,
  groups: unknown,
  numbers?: N,
): readonly GroupOf<N>[] {
  if (!Array.isArray(groups))
    throw new OptionError(`${where}: groups must be a list of groups, got ${show(groups)}`);
  for (const group of groups as readonly unknown[]) checkGroup(where, group, numbers);
  return groups as readonly GroupOf<N>[];
}

/** Numbers that every group may set. */
const COMMON: readonly string[] = ['lr', 'lrScale', 'weightDecay', 'maxNorm'];

function checkGroup(where: string, group: unknown, numbers: Declared | undefined): void {
  if (typeof group !== 'object' || group === null)
    throw new OptionError(`${where}: a group must be an object, got ${show(group)}`);
  const keys = numbers === undefined ? Object.keys(group) : Object.keys(numbers);
  checkKeys(`${where}: group`, group, ['match', ...COMMON, ...keys]);
  const { match, ...own } = group as Readonly<Record<string, unknown>>;
  matcher(match);
  for (const [name, value] of Object.entries(own)) {
    if (numbers === undefined && !COMMON.includes(name)) continue;
    const check = numbers?.[name]?.check ?? (name === 'maxNorm' ? positive : nonNegative);
    if (value !== undefined) check(where, `${name} of a group`, value);
  }
}
