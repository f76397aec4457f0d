/**
 * What runs of training are working on. Whatever a run changes, or reads from step to step, belongs to it
 * until it ends. Two runs at once that share an optimizer, a layer or a weight would each train on what the
 * other one left.
 */
import { BusyError } from '../errors';
import type { Module } from './module';

/** Held things by identity. */
const held = new WeakSet<object>();

/** A thing, and what a message calls it. */
export type Holding = readonly [thing: object, name: string];

/**
 * Holds all of them, or none.
 * @returns what ends that
 * @throws BusyError naming the first that is held already
 */
export function hold(where: string, things: readonly Holding[]): () => void {
  for (const thing of things) requireFree(where, thing);
  for (const [thing] of things) held.add(thing);
  return () => {
    for (const [thing] of things) held.delete(thing);
  };
}

/** @throws BusyError where a run holds it */
export function requireFree(where: string, [thing, name]: Holding): void {
  if (held.has(thing))
    throw new BusyError(`${where}: ${name} is in use by another run; await that one first`);
}

/** A model, all modules below it, and their parameters, masks and buffers. */
export function partsOf(model: Module): Holding[] {
  const { modules, tensors } = model.tree();
  return [
    ...[...modules].map(([path, module]): Holding => {
      const name = path === '' ? 'this model' : `the model's layer '${path}' (${module.constructor.name})`;
      return [module, name];
    }),
    ...[...tensors].map(([name, tensor]): Holding => [tensor, `the model's tensor '${name}'`]),
  ];
}
