/** Rebuilding a model from its file. */
// All layers, so that their kinds are known.
import '../blocks';
import '../layers';
import { FormatError } from '../../errors';
import { checkKeys, clip, messageOf, show } from '../../options';
import type { Architecture } from './architecture';
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
import { rebuilderOf, type Child, type Config } from '../layer';
import type { StateTensor } from '../tree';

/** Deeper nesting than any real model has; keeps a hostile file from exhausting the stack. */
const maxDepth = 64;

function build(where: string, { kind, config }: Architecture, depth = 0): Module {
  if (depth > maxDepth)
    throw new FormatError(`${clip(where)}: its architecture is nested more than ${maxDepth} deep`);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FormatError(`${clip(where)}: the settings of ${show(kind)} are not an object`);
  }
  const rebuild = rebuilderOf(kind);
  const child: Child = (layer) => {
    if (!isArchitecture(layer)) throw new FormatError(`${clip(where)}: ${show(layer)} is not a layer`);
    return build(where, layer, depth + 1);
  };
  try {
    if (rebuild !== undefined) return rebuild(config as Config, child);
  } catch (cause) {
    // An error from a layer further down, which is named already.
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
 * Rebuilds a model from what `model.save` wrote: from the file's path, or from its bytes, as `model.toBuffer`
 * returns them, which are taken over before `load` returns. It is in evaluation mode until it, or a part of
 * it in another model, is trained by a Trainer; in a loop of your own, call train(). Only for models made of
 * tenon's own layers; for a class of one's own, make an instance and call its `load`.
 * @throws FormatError for a corrupt file or one without an architecture; ShapeError; DataError (no such
 *   file), IoError; OptionError for what is neither a path nor bytes
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
  await takeState(model, where, file);
  takeMetadata(model, metadata, transform);
  markLoaded(model);
  return model;
}
