/** Rebuilding a model from its file. */
import { FormatError } from '../errors';
import { show } from '../options';
import type { Architecture } from './architecture';
import { Concat, NamedSequential, Residual, Sequential } from './containers';
import {
  isArchitecture,
  readMetadata,
  readSafetensors,
  takeMetadata,
  takeState,
  transformOf,
} from './model-file';
import { markLoaded } from './mode';
import type { Module } from './module';
import { builders, type Config } from './registry';
import type { StateTensor } from './tree';

/** Deeper nesting than any real model has; keeps a hostile file from exhausting the stack. */
const maxDepth = 64;

type Child = (layer: unknown) => Module;

/** Layers that hold others. */
const containers: ReadonlyMap<string, (config: Config, child: Child) => Module> = new Map([
  ['sequential', (c: Config, child: Child) => new Sequential(list(c, 'layers').map(child))],
  ['concat', (c: Config, child: Child) => new Concat(list(c, 'layers').map(child))],
  ['namedSequential', buildNamed],
  [
    'residual',
    ({ body, shortcut }: Config, child: Child) =>
      new Residual(child(body), shortcut === null ? undefined : child(shortcut)),
  ],
]);

function list(config: Config, key: string): readonly unknown[] {
  const value = config[key];
  if (!Array.isArray(value)) throw new FormatError(`it has no list of ${key}`);
  return value as readonly unknown[];
}

function buildNamed(config: Config, child: Child): Module {
  const layers = list(config, 'layers').map(child);
  const entries = list(config, 'names').map((name, i): [string, Module] => [String(name), layers[i]!]);
  if (entries.length !== layers.length) throw new FormatError('it has not as many names as layers');
  return new NamedSequential(Object.fromEntries(entries));
}

function build(where: string, { kind, config }: Architecture, depth = 0): Module {
  if (depth > maxDepth)
    throw new FormatError(`${where}: its architecture is nested more than ${maxDepth} deep`);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FormatError(`${where}: the settings of ${show(kind)} are not an object`);
  }
  const [container, builder] = [containers.get(kind), builders.get(kind)];
  const child: Child = (layer) => {
    if (!isArchitecture(layer)) throw new FormatError(`${where}: ${show(layer)} is not a layer`);
    return build(where, layer, depth + 1);
  };
  try {
    if (container !== undefined) return container(config as Config, child);
    if (builder !== undefined) return builder(config as Config);
  } catch (cause) {
    // From a layer further down, which is named already.
    if (cause instanceof FormatError && cause.message.startsWith(`${where}: `)) throw cause;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${where}: bad settings of ${show(kind)}: ${problem}`, { cause });
  }
  throw new FormatError(`${where}: this version of tenon has no layer ${show(kind)}`);
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
        `${where}: ${show(alias)} cannot be tied to ${show(name)}, its architecture lacks one of them`,
      );
    }
    Reflect.set(owner, key, shared);
  }
}

function fieldOf(owner: Module, tensor: StateTensor | undefined): string | undefined {
  return tensor === undefined ? undefined : Object.entries(owner).find(([, value]) => value === tensor)?.[0];
}

/**
 * Rebuilds a model from a file that `model.save` wrote, in evaluation mode, which lasts until it, or a part of it in another model, is
 * trained by a Trainer; in a loop of your own, call train(). Only for models made of tenon's own layers; for a class
 * of one's own, make an instance and call its `load`.
 * @throws FormatError for a corrupt file or one without an architecture; ShapeError; DataError (no such file), IoError
 */
export async function load(path: string): Promise<Module> {
  const file = await readSafetensors(path);
  const metadata = readMetadata(path, file.metadata);
  const { architecture, aliases } = metadata;
  if (architecture === undefined) {
    throw new FormatError(
      `${path}: holds no architecture to rebuild (a class of one's own, or another program's file): make the model and call model.load(file)`,
    );
  }
  const transform = transformOf(path, file, metadata);
  const model = build(path, architecture);
  tie(path, model, aliases);
  // Shapes are compared with the file's before any memory is taken.
  await takeState(model, path, file, true);
  takeMetadata(model, metadata, transform);
  markLoaded(model);
  return model;
}
