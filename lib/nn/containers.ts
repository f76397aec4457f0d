/** Layers one behind the other, and the layers that only move shapes. */
import { OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { checkList, show, showMade } from '../options';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { describe, type Json } from './architecture';
import { LayerChain } from './chain';
import { Module } from './module';
import type { Chain, ChainIn, ChainOut, Channels, PassThrough, Untyped } from './typing';
import { withoutOptions } from './without-options';

/** By place, as in PyTorch: '0.weight'. */
function byPlace(layers: readonly Module[]): [string, unknown][] {
  return layers.map((layer, i) => [String(i), layer]);
}

function checkedLayers(where: string, layers: readonly Module[]): readonly Module[] {
  checkList(where, 'layers', layers);
  // A copy without holes.
  const list = [...layers];
  list.forEach((layer: unknown, i) => checkModule(where, `layer ${i}`, layer));
  return list;
}

function checkModule(where: string, what: string, value: unknown): void {
  if (!(value instanceof Module))
    throw new OptionError(`${where}: ${what} must be a module, got ${showMade(value)}`);
}

/** Applies its layers in order. Their parameters are named by place, as in PyTorch: '0.weight'. */
export class Sequential<In extends number = number, Out extends number = number> extends LayerChain {
  static override readonly kind: string = 'sequential';
  declare readonly channels?: Channels<In, Out>;

  constructor(layers: readonly Module[]) {
    super(checkedLayers('nn.sequential', layers));
  }

  override members(): Iterable<[string, unknown]> {
    return byPlace(this.layers);
  }

  override config(): Json {
    return { layers: this.layers.map(describe) };
  }

  override replaceHead<Head extends Module>(
    head: Head,
  ): Sequential<In, number extends Out ? number : ChainOut<[Head]>> {
    return super.replaceHead(head) as Sequential<In, number extends Out ? number : ChainOut<[Head]>>;
  }
}

/**
 * Layers one behind the other. Neighbours whose channel counts are known and differ do not compile.
 * @throws OptionError when something is not a module
 */
export function sequential<const Layers extends readonly Untyped[]>(
  ...layers: Layers
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;
export function sequential<const Layers extends readonly Module[]>(
  ...layers: Layers & Chain<Layers>
): Sequential<ChainIn<Layers>, ChainOut<Layers>>;
export function sequential(...layers: readonly Module[]): Sequential {
  return new Sequential(layers);
}

/** Applies its stages in order. Their parameters are named by stage, as with PyTorch's Sequential(OrderedDict(...)). */
export class NamedSequential extends LayerChain {
  static override readonly kind: string = 'namedSequential';
  readonly names: readonly string[];

  constructor(stages: Readonly<Record<string, Module>>) {
    super(checkedStages(stages));
    this.names = Object.keys(stages);
  }

  /** The stages by name, in order: layers and weights, without what belongs to the model as a whole, its preprocessing and class names. */
  get stages(): Readonly<Record<string, Module>> {
    return Object.fromEntries(this.members()) as Record<string, Module>;
  }

  override members(): Iterable<[string, unknown]> {
    return this.layers.map((layer, i) => [this.names[i]!, layer] as [string, unknown]);
  }

  override config(): Json {
    return { names: this.names, layers: this.layers.map(describe) };
  }

  override replaceHead(head: Module): this {
    super.replaceHead(head);
    return this;
  }
}

function checkedStages(stages: Readonly<Record<string, Module>>): readonly Module[] {
  const where = 'nn.namedSequential';
  if (typeof stages !== 'object' || stages === null)
    throw new OptionError(`${where}: stages must be an object of modules, got ${show(stages)}`);
  for (const [name, layer] of Object.entries<unknown>(stages)) {
    // Keys that are numbers would not stay in order, and a dot separates levels.
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new OptionError(
        `${where}: a stage's name must be a word of letters, digits and _, got ${show(name)}`,
      );
    checkModule(where, `stage ${show(name)}`, layer);
  }
  return Object.values(stages);
}

/**
 * Stages one behind the other, by name. They may be those of another model, `{ ...model.stages, more: nn.linear(10, 5) }`, whose
 * preprocessing and class names are not theirs: set `preprocessing` and `inputTransform` as they are there. A model with another head is
 * `model.replaceHead(nn.linear(512, 5))`, which keeps them.
 * @throws OptionError when something is not a module or a name is not a word
 */
export function namedSequential(stages: Readonly<Record<string, Module>>): NamedSequential {
  return new NamedSequential(stages);
}

/** Applies all its layers to the same input and puts their outputs one behind the other. */
export class Concat extends Module {
  static override readonly kind: string = 'concat';
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    this.layers = checkedLayers('nn.concat', layers);
    if (layers.length === 0) throw new OptionError('nn.concat: needs at least one layer');
  }

  override members(): Iterable<[string, unknown]> {
    return byPlace(this.layers);
  }

  override config(): Json {
    return { layers: this.layers.map(describe) };
  }

  override forward(x: Tensor): Tensor {
    return ops.concat(
      this.layers.map((layer) => layer.forward(x)),
      1,
    );
  }
}

/** Layers side by side: their outputs concatenated along the channels (axis 1). @throws OptionError when something is not a module */
export function concat(...layers: readonly Module[]): Concat {
  return new Concat(layers);
}

/** body(x) + shortcut(x). */
export class Residual extends Module {
  static override readonly kind: string = 'residual';
  readonly body: Module;
  readonly shortcut: Module | undefined;

  constructor(body: Module, shortcut?: Module) {
    super();
    checkModule('nn.residual', 'body', body);
    if (shortcut !== undefined) checkModule('nn.residual', 'shortcut', shortcut);
    this.body = body;
    this.shortcut = shortcut;
  }

  override forward(x: Tensor): Tensor {
    const y = this.body.forward(x);
    const skip = this.shortcut?.forward(x) ?? x;
    // Else a shape of ones would be spread over the other without a word.
    if (!sameShape(y.shape, skip.shape))
      throw new ShapeError(
        `residual: the body gives ${formatShape(y.shape)}, the shortcut ${formatShape(skip.shape)}`,
      );
    return ops.add(y, skip);
  }

  override config(): Json {
    return {
      body: describe(this.body),
      shortcut: this.shortcut === undefined ? null : describe(this.shortcut),
    };
  }
}

/** body(x) + shortcut(x) (He et al. 2016); without a shortcut, body(x) + x. @throws OptionError; forward ShapeError when shapes differ */
export function residual(body: Module, shortcut?: Module): Residual {
  return new Residual(body, shortcut);
}

/** [N, C, H, W] to [N, C H W]. */
export class Flatten extends Module {
  static override readonly kind: string = 'flatten';

  override forward(x: Tensor): Tensor {
    return ops.flatten(x);
  }
}

/** Joins all axes but the first: [N, C, H, W] to [N, C H W]. */
export const flatten = withoutOptions('nn.flatten', () => new Flatten());

/** Gives what it gets. */
export class Identity extends Module {
  static override readonly kind: string = 'identity';
  declare readonly channels?: PassThrough;

  override forward(x: Tensor): Tensor {
    return x;
  }
}

export const identity = withoutOptions('nn.identity', () => new Identity());
