/** Layers one after the other, each with a name. */
import { FormatError, OptionError } from '../../errors';
import { show } from '../../options';
import { describe, type Json } from '../files/architecture';
import { LayerChain } from './chain';
import { refuseUnknown, register, type Config } from '../layer';
import type { Module } from '../module';
import { checkModule, listIn } from './sublayers';

/**
 * Applies its stages in order. Their parameters are named by stage, as
 * with PyTorch's Sequential(OrderedDict(...)).
 */
export class NamedSequential extends LayerChain {
  static override readonly kind: string = 'namedSequential';
  readonly names: readonly string[];

  constructor(stages: Readonly<Record<string, Module>>) {
    super(checkedStages(stages));
    this.names = Object.keys(stages);
  }

  /**
   * The stages by name, in order: layers and weights, without what belongs to the model as a whole, its
   * preprocessing and class names.
   */
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

function namesIn(config: Config): readonly string[] {
  const seen = new Set<string>();
  for (const name of listIn(config, 'names')) {
    if (typeof name !== 'string' || seen.has(name))
      throw new FormatError(`it has the name ${show(name)} twice, or not as a text`);
    seen.add(name);
  }
  return [...seen];
}

register(NamedSequential, (config, child) => {
  refuseUnknown(config, ['names', 'layers']);
  const names = namesIn(config);
  const layers = listIn(config, 'layers').map(child);
  if (names.length !== layers.length) throw new FormatError('it has not as many names as layers');
  return new NamedSequential(
    Object.fromEntries(names.map((name, i): [string, Module] => [name, layers[i]!])),
  );
});

/**
 * Stages one after the other, by name. They may be those of another model,
 * `{ ...model.stages, more: nn.linear(10, 5) }`, whose preprocessing and class names are not theirs: set
 * `preprocessing` and `inputTransform` as they are there. A model with another head is
 * `model.replaceHead(nn.linear(512, 5))`, which keeps them.
 * @throws OptionError when something is not a module or a name is not a word
 */
export function namedSequential(stages: Readonly<Record<string, Module>>): NamedSequential {
  return new NamedSequential(stages);
}
