/** What a model returns at stages before its end. */
import { OptionError } from '../errors';
import { checkKeys, checkList, nearest, nonEmptyString, show, showMade } from '../options';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { observeForward } from './observe';

/** What features are taken of: any module. */
export interface Staged {
  /** Records its ops. */
  forward(x: Tensor): Tensor;
  /** It and the layers below it, by their names. */
  namedModules(): ReadonlyMap<string, unknown>;
}

/** Ends forward() where everything that is wanted is there: what comes after is not recorded. */
class Reached extends Error {}

/**
 * Records a model up to a stage, a layer at any depth by its name, and returns the layer's output;
 * with several names, a record of outputs. What comes after the last of them is not recorded, so it
 * computes nothing and moves no running statistics. Where forward() runs a layer more than once, its first
 * output counts.
 *
 * `nn.features(model, x, { at: 'layer3' })`, `nn.features(model, x, { at: ['layer2', 'layer3'] })`
 * @throws OptionError for a name that the model lacks, or a layer that forward() does not run
 */
export function features(model: Staged, x: Tensor, options: { readonly at: string }): Tensor;
export function features<const Names extends readonly string[]>(
  model: Staged,
  x: Tensor,
  options: { readonly at: Names },
): { readonly [N in Names[number]]: Tensor };
export function features(
  model: Staged,
  x: Tensor,
  options: { readonly at: string | readonly string[] },
): Tensor | Readonly<Record<string, Tensor>> {
  if (typeof (model as Partial<Staged> | undefined)?.namedModules !== 'function')
    throw new OptionError(`features: expected a module, got ${showMade(model)}`);
  checkTensor('features', 'x', x);
  checkKeys('features', options, ['at']);
  const at: unknown = options?.at;
  const stages = checkStages('features', model, at);
  const outputs = outputsAt('features', model, x, stages);
  return typeof at === 'string'
    ? outputs[0]!
    : Object.fromEntries(stages.map(({ name }, i) => [name, outputs[i]!]));
}

/** A layer and its name. */
export interface Stage {
  readonly name: string;
  readonly module: unknown;
}

/** The layers that `at`, a name or a list of names, stands for. @throws OptionError */
export function checkStages(where: string, model: Staged, at: unknown): readonly Stage[] {
  if (typeof at !== 'string') checkList(where, 'at', at);
  const names: readonly unknown[] = typeof at === 'string' ? [at] : [...at];
  if (names.length === 0) throw new OptionError(`${where}: at must name a layer, or several`);
  const modules = model.namedModules();
  return names.map((given) => {
    const name = nonEmptyString(where, 'at', given);
    const module = modules.get(name);
    if (module !== undefined) return { name, module };
    const near = nearest(name, [...modules.keys()]);
    throw new OptionError(
      `${where}: the model has no layer ${show(name)}${near === undefined ? '' : ` (did you mean ${show(near)}?)`}`,
    );
  });
}

/**
 * Records the outputs of the stages, in their order.
 * @throws OptionError for one that forward() does not run
 */
export function outputsAt(
  where: string,
  model: Pick<Staged, 'forward'>,
  x: Tensor,
  stages: readonly Stage[],
): Tensor[] {
  const wanted = new Set(stages.map(({ module }) => module));
  const found = new Map<unknown, Tensor>();
  const reached = new Reached();
  try {
    observeForward(
      (module, output) => {
        if (wanted.has(module) && !found.has(module)) found.set(module, output);
        if (found.size === wanted.size) throw reached;
      },
      () => model.forward(x),
    );
  } catch (error) {
    if (error !== reached) throw error;
  }
  return stages.map(({ name, module }) => {
    const output = found.get(module);
    if (output === undefined) throw new OptionError(`${where}: forward() does not run layer ${show(name)}`);
    return output;
  });
}
