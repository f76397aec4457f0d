/** Rebuilding a model from its file. */
import { FormatError } from '../../errors';
import { checkKeys, clip, messageOf, show } from '../../options';
import type { Architecture } from './architecture';
import { Concat } from '../layers/concat';
import { NamedSequential } from '../layers/named-sequential';
import { Residual } from '../layers/residual';
import { Sequential } from '../layers/sequential';
import {
  isArchitecture,
  type LoadOptions,
  type ModelSource,
  openModel,
  readMetadata,
  takeMetadata,
  takeState,
  transformOf,
} from './model-file';
import { markLoaded } from '../mode';
import type { Module } from '../module';
import { builders, type Config } from './registry';
import type { StateTensor } from '../tree';

/** Deeper nesting than any real model has; keeps a hostile file from exhausting the stack. */
const maxDepth = 64;

type Child = (layer: unknown) => Module;

interface Container {
  readonly settings: readonly string[];
  readonly build: (config: Config, child: Child) => Module;
}

/** Layers that hold others. */
const containers: ReadonlyMap<string, Container> = new Map<string, Container>([
  ['sequential', { settings: ['layers'], build: (c, child) => new Sequential(list(c, 'layers').map(child)) }],
  ['concat', { settings: ['layers'], build: (c, child) => new Concat(list(c, 'layers').map(child)) }],
  ['namedSequential', { settings: ['names', 'layers'], build: buildNamed }],
  [
    'residual',
    {
      settings: ['body', 'shortcut'],
      build: ({ body, shortcut }, child) =>
        new Residual(child(body), shortcut === null ? undefined : child(shortcut)),
    },
  ],
]);

/** Some layers take no options object that would refuse them. */
function refuseUnknown(config: Config, known: readonly string[]): void {
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new FormatError(`it has no setting ${show(unknown)}`);
}

function buildLayer(config: Config, build: (config: Config) => Module): Module {
  const layer = build(config);
  refuseUnknown(config, Object.keys(layer.config() ?? {}));
  return layer;
}

function buildContainer(config: Config, { settings, build }: Container, child: Child): Module {
  refuseUnknown(config, settings);
  return build(config, child);
}

function list(config: Config, key: string): readonly unknown[] {
  const value = config[key];
  if (!Array.isArray(value)) throw new FormatError(`it has no list of ${key}`);
  return value as readonly unknown[];
}

function buildNamed(config: Config, child: Child): Module {
  const names = list(config, 'names');
  const seen = new Set<unknown>();
  for (const name of names) {
    if (typeof name !== 'string' || seen.has(name))
      throw new FormatError(`it has the name ${show(name)} twice, or not as a text`);
    seen.add(name);
  }
  const layers = list(config, 'layers').map(child);
  const entries = names.map((name, i): [string, Module] => [name as string, layers[i]!]);
  if (entries.length !== layers.length) throw new FormatError('it has not as many names as layers');
  return new NamedSequential(Object.fromEntries(entries));
}

function build(where: string, { kind, config }: Architecture, depth = 0): Module {
  if (depth > maxDepth)
    throw new FormatError(`${clip(where)}: its architecture is nested more than ${maxDepth} deep`);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FormatError(`${clip(where)}: the settings of ${show(kind)} are not an object`);
  }
  const [container, builder] = [containers.get(kind), builders.get(kind)];
  const child: Child = (layer) => {
    if (!isArchitecture(layer)) throw new FormatError(`${clip(where)}: ${show(layer)} is not a layer`);
    return build(where, layer, depth + 1);
  };
  try {
    if (container !== undefined) return buildContainer(config as Config, container, child);
    if (builder !== undefined) return buildLayer(config as Config, builder);
  } catch (cause) {
    // From a layer further down, which is named already.
    if (cause instanceof FormatError && cause.message.startsWith(`${clip(where)}: `)) throw cause;
    const problem = messageOf(cause);
    throw new FormatError(`${clip(where)}: bad settings of ${show(kind)}: ${problem}`, { cause });
  }
  throw new FormatError(`${clip(where)}: this version of tenon has no layer ${show(kind)}`);
}

/** Puts tied tensors back together: the field called `alias` becomes the tensor called `name`. */
function tie(where: string, model: Module, aliases: ReadonlyMap<string, string>): void {
  const { modules, tensors } = model.tree();
  for (const [alias, name] of aliases) {
    const cut = alias.lastIndexOf('.');
    const owner = modules.get(alias.slice(0, Math.max(0, cut)));
    const [own, shared] = [tensors.get(alias), tensors.get(name)];
    const key = owner === undefined ? undefined : fieldOf(owner, own);
    if (owner === undefined || key === undefined || shared === undefined) {
      throw new FormatError(
        `${clip(where)}: ${show(alias)} cannot be tied to ${show(name)}, its architecture lacks one of them`,
      );
    }
    Reflect.set(owner, key, shared);
  }
}

function fieldOf(owner: Module, tensor: StateTensor | undefined): string | undefined {
  return tensor === undefined ? undefined : Object.entries(owner).find(([, value]) => value === tensor)?.[0];
}

/**
 * Rebuilds a model from what `model.save` wrote: from the file's path, or from its bytes, as `model.toBuffer` returns them, which are taken
 * over before `load` returns. It is in evaluation mode until it, or a part of it in another model, is trained by a Trainer; in a loop of
 * your own, call train(). Only for models made of tenon's own layers; for a class
 * of one's own, make an instance and call its `load`.
 * @throws FormatError for a corrupt file or one without an architecture; ShapeError; DataError (no such file), IoError; OptionError for
 *   what is neither a path nor bytes
 */
export async function load(
  source: ModelSource,
  options: Pick<LoadOptions, 'maxHeaderBytes'> = {},
): Promise<Module> {
  checkKeys('load', options, ['maxHeaderBytes']);
  const opening = openModel(source, options);
  const { where, file } = opening instanceof Promise ? await opening : opening;
  const metadata = readMetadata(where, file.metadata);
  const { architecture, aliases } = metadata;
  if (architecture === undefined) {
    throw new FormatError(
      `${clip(where)}: holds no architecture to rebuild (a class of one's own, or another program's file): make the model and call model.load(file)`,
    );
  }
  const transform = transformOf(where, file, metadata);
  const model = build(where, architecture);
  tie(where, model, aliases);
  // Shapes are compared with the file's before any memory is taken.
  await takeState(model, where, file, true);
  takeMetadata(model, metadata, transform);
  markLoaded(model);
  return model;
}
