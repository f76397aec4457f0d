/** Layers one after the other, of which the last one with parameters is the head. */
import { OptionError, ShapeError } from '../../errors';
import { show } from '../../options';
import type { Tensor } from '../../tensor/tensor';
import { Conv1d } from './conv1d';
import { Conv2d } from './conv2d';
import { features } from '../features';
import { requireFree } from '../holds';
import { MODE } from '../mode';
import { Module } from '../module';
import { WIDTH, type Width } from '../width';
import { Identity } from './identity';
import { Linear } from './linear';

export abstract class LayerChain extends Module {
  readonly layers: readonly Module[];

  protected constructor(layers: readonly Module[]) {
    super();
    this.layers = [...layers];
  }

  /** @internal The first layer that has one says it. */
  override get [WIDTH](): Width {
    const first = this.layers.find((layer) => layer[WIDTH] !== 'same');
    return first === undefined ? 'same' : first[WIDTH];
  }

  override forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => layer.forward(y), x);
  }

  /**
   * As `nn.features(model, x, { at })`: the outputs of the layer called `at`, or a record for several.
   * @throws OptionError
   */
  features(x: Tensor, options: { readonly at: string }): Tensor;
  features<const Names extends readonly string[]>(
    x: Tensor,
    options: { readonly at: Names },
  ): { readonly [N in Names[number]]: Tensor };
  features(
    x: Tensor,
    options: { readonly at: string & readonly string[] },
  ): Tensor | Readonly<Record<string, Tensor>> {
    return features(this, x, options);
  }

  /**
   * Puts another head on the model: `head` takes the place, and the name, of the last layer with parameters,
   * a linear one or a convolution, however deep in chains it is. Everything else stays, weights and
   * preprocessing too (`preprocessing`, `inputTransform`); class names, which belong to the old outputs, go.
   * New weights are drawn when they are first needed, or by `ensureInitialized({ seed })`. `nn.identity()` as
   * the head makes the model give what the head got; another head can replace it later.
   * @throws OptionError where the last layer with parameters is none of those; ShapeError where `head` takes
   *   another number of features; BusyError while the model is being trained
   */
  override replaceHead(head: Module): Module {
    const { chain, at, path } = findHead(this, '');
    prepareHead(this, path, chain.layers[at]!, head);
    (chain.layers as Module[])[at] = head;
    return this;
  }
}

/**
 * Makes `head` ready to take the place of `old` at `path` in a model: widths are compared, it gets the mode
 * that the model is in, and class names, which belong to the old outputs, go.
 * @throws OptionError, ShapeError, BusyError while the model is being trained
 */
export function prepareHead(model: Module, path: string, old: Module, head: unknown): asserts head is Module {
  if (!(head instanceof Module))
    throw new OptionError(`replaceHead: expected a module such as nn.linear(512, 5), got ${show(head)}`);
  requireFree('replaceHead', [model, 'this model']);
  const modules = [...head.namedModules().values()];
  if (modules.includes(model)) throw new OptionError('replaceHead: the head holds the model itself');
  const [own, given] = [old[WIDTH], head[WIDTH]];
  if (typeof own === 'number' && typeof given === 'number' && own !== given)
    throw new ShapeError(`replaceHead: '${path}' takes ${own} features, the new head ${given}`);
  // Until the model is trained, all of it is in evaluation mode where it was.
  for (const module of modules) if (module[MODE] === 'train') module[MODE] = model[MODE];
  delete model.classNames;
}

/** The place of a head in the chain that holds it, and its path from the model. */
interface HeadPlace {
  readonly chain: LayerChain;
  readonly at: number;
  readonly path: string;
}

/** The layer that `replaceHead` replaces, and its path. @throws OptionError where there is none */
export function headOf(model: LayerChain): { readonly layer: Module; readonly path: string } {
  const { chain, at, path } = findHead(model, '');
  return { layer: chain.layers[at]!, path };
}

/** What can be a head: layers whose outputs may be of any number, and one that makes features the outputs. */
const HEADS = [Linear, Conv1d, Conv2d, Identity] as const;

/** @throws OptionError */
function findHead(chain: LayerChain, prefix: string): HeadPlace {
  const names = [...chain.members()].map(([name]) => name);
  const at = chain.layers.findLastIndex((layer) => layer instanceof Identity || hasParameters(layer));
  const layer = chain.layers[at];
  const path = `${prefix}${names[at]}`;
  if (layer instanceof LayerChain) return findHead(layer, `${path}.`);
  if (HEADS.some((kind) => layer instanceof kind)) return { chain, at, path };
  const found = layer === undefined ? 'no layer has any' : `it is '${path}' (${layer.constructor.name})`;
  throw new OptionError(
    `replaceHead: the last layer with parameters must be a linear layer or a convolution, ${found}; nn.namedSequential({ ...model.stages, head }) makes a model of any stages`,
  );
}

function hasParameters(layer: Module): boolean {
  return layer.tree().tensors.size > 0;
}
