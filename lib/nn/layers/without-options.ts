/** Makers of layers that have no settings. */
import { checkKeys } from '../../options';
import type { Module } from '../module';

/**
 * A maker that takes nothing by its type, and refuses what callers without types give it: a setting that is ignored is a model that
 * nobody asked for. Files give the settings that they have, {}.
 */
export function withoutOptions<M extends Module>(where: string, make: () => M): () => M {
  return (...given: readonly unknown[]) => {
    checkKeys(where, given[0], []);
    return make();
  };
}
