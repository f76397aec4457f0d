/**
 * Constant calls read only persistent memory that the program does not write, and results of other constant
 * calls. What they compute stays the same until that memory changes. They go first, and the addon keeps their
 * results between runs.
 */
import type { Storage } from '../tensor/storage';
import type { Slot } from '../graph/lowering';
import { rootOf, type KernelCall, type Lowered } from './lower';

export interface Hoisted {
  readonly lowered: Lowered;
  /** How many calls at the front are constant. */
  readonly constantCalls: number;
}

/**
 * Puts constant calls first in a program that only computes outputs, and sets the places of
 * their results (`leaf`).
 */
export function hoistConstants(lowered: Lowered, writes: readonly Storage[]): Hoisted {
  if (writes.length > 0) return { lowered, constantCalls: 0 };
  const writers = countWriters(lowered.calls);
  const isConstant = (slot: Slot): boolean => {
    const kind = rootOf(slot).leaf?.kind;
    return kind === 'storage' || kind === 'constant';
  };
  let results = 0;
  const constants: KernelCall[] = [];
  const others: KernelCall[] = [];
  for (const call of lowered.calls) {
    const kept =
      call.inputs.length > 0 &&
      call.inputs.every((o) => isConstant(o.slot)) &&
      call.outputs.every((o) => o.slot.alias === undefined && writers.get(o.slot) === 1);
    (kept ? constants : others).push(call);
    if (kept) for (const { slot } of call.outputs) slot.leaf = { kind: 'constant', index: results++ };
  }
  return { lowered: { ...lowered, calls: [...constants, ...others] }, constantCalls: constants.length };
}

function countWriters(calls: readonly KernelCall[]): Map<Slot, number> {
  const writers = new Map<Slot, number>();
  for (const call of calls) {
    for (const { slot } of call.outputs) writers.set(rootOf(slot), (writers.get(rootOf(slot)) ?? 0) + 1);
  }
  return writers;
}
