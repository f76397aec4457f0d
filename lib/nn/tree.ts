/** Walks over the parts of a module: which parameters, buffers and modules it holds, under which names. */
import { OptionError } from '../errors';
import { show } from '../options';
import { Parameter, type ParameterMask } from '../tensor/parameter';
import { StateBuffer } from './buffer';

/** A tensor that is saved with a model. */
export type StateTensor = Parameter | StateBuffer | ParameterMask;

/** What a walk needs of a module: its fields, by the names that they have in paths. */
export interface Branch {
  members(): Iterable<[string, unknown]>;
}

/** What one walk over a tree of modules finds. A thing met twice is listed under its first name. */
export interface ModuleTree<M extends Branch = Branch> {
  readonly modules: ReadonlyMap<string, M>;
  /**
   * Parameters, each with its mask behind it, before buffers before children within a module, as in
   * PyTorch's state dict.
   */
  readonly tensors: ReadonlyMap<string, StateTensor>;
  /** Further names of tensors met before: '2.weight' is '0.weight'. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** The name of a parameter's mask, PyTorch's. */
export function maskName(parameter: string): string {
  return `${parameter}_mask`;
}

/** What a Map, a Set or a plain object holds; nothing for anything else. */
function contentsOf(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if (value instanceof Map || value instanceof Set) return [...(value as Iterable<unknown>)].flat();
  return Object.getPrototypeOf(value) === Object.prototype ? Object.values(value) : [];
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

class Walk<M extends Branch> implements ModuleTree<M> {
  readonly modules = new Map<string, M>();
  readonly tensors = new Map<string, StateTensor>();
  readonly aliases = new Map<string, string>();
  private readonly names = new Map<StateTensor, string>();
  private readonly open = new Set<M>();
  private readonly seen = new Set<M>();

  constructor(private readonly isModule: (value: unknown) => value is M) {}

  visit(module: M, path: string): void {
    // A module that holds itself, however deep, counts as one level.
    if (this.open.has(module)) return;
    this.open.add(module);
    if (!this.seen.has(module)) this.modules.set(path, module);
    this.seen.add(module);
    const members = [...module.members()].flatMap(([name, value]) => this.expand(name, value));
    for (const [name, value] of members) if (value instanceof Parameter) this.note(join(path, name), value);
    for (const [name, value] of members) if (value instanceof StateBuffer) this.note(join(path, name), value);
    for (const [name, value] of members) if (this.isModule(value)) this.visit(value, join(path, name));
    this.open.delete(module);
  }

  private expand(name: string, value: unknown): [string, unknown][] {
    if (Array.isArray(value)) return value.flatMap((item, i) => this.expand(`${name}.${i}`, item));
    this.refuseHidden(name, value);
    return [[name, value]];
  }

  /**
   * @throws OptionError where a Map, a Set or a plain object holds what would not be found: never trained,
   *   never saved
   */
  private refuseHidden(name: string, value: unknown): void {
    const items = contentsOf(value);
    if (
      !items.some((item) => this.isModule(item) || item instanceof Parameter || item instanceof StateBuffer)
    )
      return;
    throw new OptionError(
      `'${name}' is ${show(value)} that holds layers or parameters, which are not found there: keep them in an array, in fields of their own, or in nn.namedSequential`,
    );
  }

  private note(name: string, tensor: StateTensor): void {
    const first = this.names.get(tensor);
    if (first !== undefined) {
      if (first !== name) this.aliases.set(name, first);
      return;
    }
    this.names.set(tensor, name);
    this.tensors.set(name, tensor);
    if (tensor instanceof Parameter && tensor.mask !== undefined)
      this.tensors.set(maskName(name), tensor.mask);
  }
}

/** `isModule` tells modules from other values: the class of modules is built on this file. */
export function walk<M extends Branch>(root: M, isModule: (value: unknown) => value is M): ModuleTree<M> {
  const found = new Walk(isModule);
  found.visit(root, '');
  return found;
}
