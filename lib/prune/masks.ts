/** Masks of a model: given, taken off, read, counted. */
import { OptionError, ShapeError } from '../errors';
import { compile } from '../compile/compile';
import { assign } from '../graph/trace';
import { ensureMask } from '../nn/mask';
import { Module } from '../nn/module';
import { matcher, type ParameterMatch } from '../optim/groups';
import { checkKeys, clip, show } from '../options';
import type { Parameter } from '../tensor/parameter';
import { tensor } from '../tensor/tensor';

/** Which parameters. */
export interface MatchOptions {
  /**
   * By a prefix of the path, a pattern of the name or a test, out of the weights of rank 2 or more; for
   * `remove` out of those that are pruned. Default: all of them.
   */
  readonly match?: ParameterMatch;
}

export function checkModel(where: string, model: unknown): void {
  if (!(model instanceof Module))
    throw new OptionError(`${where}: expected a model first, got ${show(model)}`);
}

/** Whether a layer multiplies by it: what is pruned unless something else is asked for. */
export function isWeight({ rank, ofNormalization }: Parameter): boolean {
  return rank >= 2 && !ofNormalization;
}

/** @throws OptionError where there is none */
export function chosen(
  where: string,
  model: Module,
  match: ParameterMatch | undefined,
  eligible: (parameter: Parameter) => boolean = isWeight,
): [string, Parameter][] {
  checkModel(where, model);
  const matches = match === undefined ? () => true : matcher(match);
  const found = [...model.namedParameters()].filter(([name, p]) => eligible(p) && matches(name, p));
  if (found.length === 0 && match !== undefined)
    throw new OptionError(
      `${where}: no parameter that could be meant matches ${typeof match === 'function' ? 'match' : clip(String(match))}`,
    );
  return found;
}

/** Values of 0 and 1 in logical order. */
export type MaskValues = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Prunes by masks of your own: parameters by name, 0 for each element that is pruned and 1 for each that is
 * kept, in logical order. They take the place of the masks those parameters had; weights that are pruned
 * become 0 at once, others stay as they are.
 * @throws OptionError for unknown names and other values, ShapeError for other counts
 */
export async function setMasks(model: Module, masks: MaskValues): Promise<void> {
  const where = 'prune.setMasks';
  checkModel(where, model);
  if (!(Object.prototype.toString.call(masks) === '[object Map]'))
    throw new OptionError(`${where}: masks must be a Map of names, got ${show(masks)}`);
  const parameters = model.namedParameters();
  const entries = [...masks].map(([name, values]): [string, Parameter, Float32Array] => {
    const parameter = parameters.get(name);
    if (parameter === undefined) throw new OptionError(`${where}: there is no parameter ${show(name)}`);
    return [name, parameter, checkValues(where, name, parameter, values)];
  });
  await writeMasks(where, model, entries);
}

function checkValues(
  where: string,
  name: string,
  parameter: Parameter,
  values: ArrayLike<number> | undefined,
): Float32Array {
  if (values?.length !== parameter.size)
    throw new ShapeError(
      `${where}: the mask of ${show(name)} needs ${parameter.size} values, got ${show(values?.length)}`,
    );
  for (let i = 0; i < values.length; i++)
    if (values[i] !== 0 && values[i] !== 1)
      throw new OptionError(`${where}: masks are made of 0 and 1, ${show(name)} has ${show(values[i])}`);
  return Float32Array.from(values);
}

/** One program sets masks and weights, so that no step sees half of it. */
export async function writeMasks(
  where: string,
  model: Module,
  entries: readonly (readonly [string, Parameter, Float32Array])[],
): Promise<void> {
  if (entries.length === 0) return;
  const masks = entries.map(([name, parameter]) => ensureMask(where, model, name, parameter));
  const program = compile(() => {
    entries.forEach(([, parameter, values], i) => {
      assign(masks[i]!, tensor(values, parameter.shape));
      assign(parameter, parameter);
    });
  });
  await program();
  program.dispose();
}

/**
 * The masks that a model has, by the names of their parameters: 1 for each element that is kept,
 * in logical order.
 */
export async function masks(model: Module): Promise<Map<string, Uint8Array>> {
  checkModel('prune.masks', model);
  const pruned = [...model.namedParameters()].filter(([, { mask }]) => mask !== undefined);
  return new Map(
    await Promise.all(
      pruned.map(async ([name, { mask }]) => [name, Uint8Array.from(await mask!.data())] as const),
    ),
  );
}

/**
 * Takes masks off: weights stay as they are, zeros included, and are all trained from now on,
 * as PyTorch's `prune.remove`.
 * @throws OptionError where `match` meets no parameter
 */
export function remove(model: Module, options: MatchOptions = {}): void {
  const where = 'prune.remove';
  checkKeys(where, options, ['match']);
  for (const [, parameter] of chosen(where, model, options.match, ({ mask }) => mask !== undefined))
    parameter.mask = undefined;
}
