/** The layers of a model by depth, for what treats them one after the other. */
import { OptionError } from '../errors';
import { showMade } from '../options';
import { Parameter } from '../tensor/parameter';
import { StateBuffer } from './buffer';
import { LayerChain } from './layers/chain';
import { Module } from './module';

/**
 * Names of layers, from the input to the output, a group for each depth: a layer or block with weights, and
 * what belongs to it, such as the batch norm behind it. Chains, and modules of one's own, are looked into;
 * residual blocks count as one. A ResNet-18 has ten groups: conv1 with bn1, eight blocks, and fc. The names
 * are patterns for `freeze` and for groups of optimizers.
 * @throws OptionError
 */
export function layerGroups(model: Module): readonly (readonly string[])[] {
  if (!(model instanceof Module))
    throw new OptionError(`layerGroups: expected a module, got ${showMade(model)}`);
  const groups: string[][] = [];
  const seen = new Set<unknown>();
  const visit = (name: string, value: unknown): void => {
    if (Array.isArray(value)) return value.forEach((item, i) => visit(`${name}.${i}`, item));
    if (seen.has(value)) return;
    seen.add(value);
    if (value instanceof Module && isContainer(value)) {
      for (const [key, part] of value.members()) visit(name === '' ? key : `${name}.${key}`, part);
      return;
    }
    if (!holdsState(value)) return;
    const last = groups.at(-1);
    if (last === undefined || hasWeight(value)) groups.push([name]);
    else last.push(name);
  };
  visit('', model);
  // A layer that is the whole model has no name.
  return groups.map((names) => (names[0] === '' ? [...model.tree().tensors.keys()] : names));
}

function isContainer(module: Module): boolean {
  return module instanceof LayerChain || (module.kind === '' && module.namedModules().size > 1);
}

function holdsState(value: unknown): value is Module | Parameter | StateBuffer {
  if (value instanceof Parameter || value instanceof StateBuffer) return true;
  return value instanceof Module && value.tree().tensors.size > 0;
}

/** Whether it has a weight of its own, instead of scales and shifts of what another layer returns. */
function hasWeight(value: Module | Parameter | StateBuffer): boolean {
  const tensors = value instanceof Module ? [...value.tree().tensors.values()] : [value];
  return tensors.some((t) => t instanceof Parameter && t.rank >= 2 && !t.ofNormalization);
}
