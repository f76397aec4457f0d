/**
 * Freezing parts of a model by the names of their tensors. What is frozen is a property of tensors: of
 * parameters that are not trained, and of buffers that layers leave as they are.
 */
import { FormatError, OptionError } from '../errors';
import { clip, clipList, nearest, show } from '../options';
import { namePattern, type NamePattern } from '../tensor/name-pattern';
import { Parameter, ParameterMask } from '../tensor/parameter';
import type { StateBuffer } from './buffer';
import type { ModuleTree } from './tree';

/** What can be frozen. A mask goes with its parameter. */
type Freezable = Parameter | StateBuffer;

/** Freezes or frees what any of the patterns picks; without patterns, everything. */
export function setFrozen(
  where: string,
  tree: ModuleTree,
  patterns: readonly NamePattern[],
  frozen: boolean,
): void {
  for (const tensor of picked(where, tree, patterns, freezable(tree))) mark(tensor, frozen);
}

/** @throws OptionError as freezing by these patterns would */
export function checkPatterns(where: string, tree: ModuleTree, patterns: readonly NamePattern[]): void {
  picked(where, tree, patterns, freezable(tree));
}

/** Sets `requiresGrad` of the parameters that the pattern picks; without one, of all. */
export function setRequiresGrad(tree: ModuleTree, flag: boolean, pattern: NamePattern | undefined): void {
  const parameters = [...freezable(tree)].filter((e): e is [string, Parameter] => e[1] instanceof Parameter);
  const patterns = pattern === undefined ? [] : [pattern];
  for (const parameter of picked('requiresGrad', tree, patterns, new Map(parameters)))
    parameter.requiresGrad = flag;
}

/** The names of what is frozen. */
export function frozenNames(tree: ModuleTree): string[] {
  return [...freezable(tree)].filter(([, tensor]) => isFrozen(tensor)).map(([name]) => name);
}

/** @throws FormatError where a name, as it stands in a file, is none of the model's */
export function checkFrozenNames(where: string, tree: ModuleTree, names: readonly string[]): void {
  const known = freezable(tree);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new FormatError(`${clip(where)}: lists ${show(unknown)} as frozen, which the model lacks`);
}

/** Freezes what has these names, and frees everything else. */
export function restoreFrozen(tree: ModuleTree, names: readonly string[]): void {
  const frozen = new Set(names);
  for (const [name, tensor] of freezable(tree)) mark(tensor, frozen.has(name));
}

function mark(tensor: Freezable, frozen: boolean): void {
  if (tensor instanceof Parameter) tensor.requiresGrad = !frozen;
  else tensor.frozen = frozen;
}

function isFrozen(tensor: Freezable): boolean {
  return tensor instanceof Parameter ? !tensor.requiresGrad : tensor.frozen;
}

function freezable({ tensors }: ModuleTree): Map<string, Freezable> {
  return new Map([...tensors].filter((e): e is [string, Freezable] => !(e[1] instanceof ParameterMask)));
}

/** @throws OptionError for a pattern that picks nothing, before anything is changed */
function picked<T>(
  where: string,
  { aliases, modules }: ModuleTree,
  patterns: readonly NamePattern[],
  candidates: ReadonlyMap<string, T>,
): ReadonlySet<T> {
  if (patterns.length === 0) return new Set(candidates.values());
  // A tied tensor goes by each of its names.
  const further = [...aliases].flatMap(([alias, name]): [string, T][] => {
    const tensor = candidates.get(name);
    return tensor === undefined ? [] : [[alias, tensor]];
  });
  const named = [...candidates, ...further];
  const found = patterns.flatMap((pattern) => {
    const fits = namePattern(where, pattern);
    const some = named.filter(([name]) => fits(name)).map(([, tensor]) => tensor);
    if (some.length > 0) return some;
    const hint = hintOf(
      pattern,
      [...modules.keys()].filter((name) => name !== ''),
      named.map(([name]) => name),
    );
    throw new OptionError(`${where}: no parameter matches ${clip(String(pattern))}${hint}`);
  });
  return new Set(found);
}

/** The nearest pattern that picks something; where there is none, the names that there are. */
function hintOf(pattern: NamePattern, layers: readonly string[], names: readonly string[]): string {
  const text = typeof pattern === 'string' ? pattern : '';
  const base = text.replace(/\.?[*?].*$/s, '');
  const near = base === '' ? undefined : nearest(base, [...layers, ...names]);
  const meant = near === undefined ? undefined : `${near}${text.slice(base.length)}`;
  if (meant !== undefined && names.some(namePattern('freeze', meant)))
    return ` (did you mean ${show(meant)}?)`;
  const within = base.split('.').map((_, i, parts) => `${parts.slice(0, -1 - i).join('.')}.`);
  const inside = within.find((prefix) => names.some((name) => name.startsWith(prefix))) ?? '';
  const below = names.filter((name) => name.startsWith(inside));
  const parts = below.map((name) => inside + name.slice(inside.length).split('.')[0]!);
  return `; there are ${clipList([...new Set(parts)])}`;
}
