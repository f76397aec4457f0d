/** A model's architecture as JSON: the kind and the settings of each layer. Rebuilt from it by load.ts. */
import type { Module } from '../module';

/** Plain data that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Architecture {
  readonly kind: string;
  readonly config: Json;
}

/** Undefined when the module or one below it is of a class that tenon does not know. */
export function architectureOf(module: Module): Architecture | undefined {
  const unknown = [...module.namedModules().values()].some((m) => m.kind === '');
  return unknown ? undefined : describe(module);
}

/** Kind and settings of one module of a built-in class; those that hold others put them into their settings. */
export function describe(module: Module): Architecture & { readonly [key: string]: Json } {
  return { kind: module.kind, config: module.config() };
}
