/** A model's architecture as JSON: the kind and the settings of each layer. Rebuilt from it by load.ts. */
import type { Json } from '../../settings';

export type { Json };

export interface Architecture {
  readonly kind: string;
  readonly config: Json;
}

/** What a model file records of one module. */
interface Described {
  readonly kind: string;
  config(): Json;
}

/** What a model file records of a model: all modules in it. */
export interface Built extends Described {
  namedModules(): ReadonlyMap<string, Described>;
}

/** Undefined when the module or one below it is of a class that tenon does not know. */
export function architectureOf(module: Built): Architecture | undefined {
  const unknown = [...module.namedModules().values()].some((m) => m.kind === '');
  return unknown ? undefined : describe(module);
}

/**
 * Kind and settings of one module of a built-in class; those that hold others put them into their settings.
 */
export function describe(module: Described): Architecture & { readonly [key: string]: Json } {
  return { kind: module.kind, config: module.config() };
}
