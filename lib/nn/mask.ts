/** Masks of pruned parameters, and how they come into a model. */
import { OptionError } from '../errors';
import { compile } from '../compile/compile';
import { assign } from '../graph/trace';
import { masked } from '../ops';
import { show } from '../options';
import { Parameter, ParameterMask } from '../tensor/parameter';
import { Storage } from '../tensor/storage';
import type { Tensor } from '../tensor/tensor';
import { maskName, type ModuleTree } from './tree';

/** What masks need of a model. */
interface Pruned {
  tree(): ModuleTree;
}

class Mask extends ParameterMask {
  /** A mask of ones. */
  constructor(parameter: Parameter) {
    super(parameter.shape, 'f32', undefined);
    const { dtype, target } = parameter.storage;
    const storage = new Storage(this.shape, dtype, target);
    storage.fill(
      target === 'ref' ? new Float64Array(this.size).fill(1) : new Float32Array(this.size).fill(1),
    );
    this.materialize(storage);
  }

  apply(value: Tensor): Tensor {
    return masked(value, this);
  }
}

/**
 * The parameter's mask, or a new one of ones if it has none.
 * @throws OptionError if the model has something else of its name
 */
export function ensureMask(where: string, model: Pruned, name: string, parameter: Parameter): ParameterMask {
  if (parameter.mask !== undefined) return parameter.mask;
  if (model.tree().tensors.has(maskName(name)))
    throw new OptionError(
      `${where}: ${show(name)} cannot have a mask, the model has a tensor ${show(maskName(name))}`,
    );
  parameter.mask = new Mask(parameter);
  parameter.mask.name = maskName(name);
  return parameter.mask;
}

/** Puts zeros where parameters are pruned, after their weights were written from outside. */
export async function holdZeros(model: Pruned): Promise<void> {
  const pruned = [...model.tree().tensors.values()].filter(
    (t): t is Parameter => t instanceof Parameter && t.mask !== undefined,
  );
  if (pruned.length === 0) return;
  const program = compile(() => pruned.forEach((parameter) => assign(parameter, parameter)));
  await program();
  program.dispose();
}
