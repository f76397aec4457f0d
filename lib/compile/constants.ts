/**
 * Constant calls read only persistent memory that the program does not write, and results of other constant
 * calls. What they compute stays the same until that memory changes. They go first, and the addon keeps their
 * results between runs.
 */
import type { Storage } from '../tensor/storage';
import type { Slot } from '../graph/lowering';
import { isUntrained } from './ir';
import { rootOf, type KernelCall, type Lowered } from './lower';

export interface Hoisted {
  readonly lowered: Lowered;
  /** How many calls at the front are constant. */
  readonly constantCalls: number;
}

/**
 * Puts constant calls first, and sets the places of their results (`leaf`). Where training goes on, only what
 * no gradient trains counts: anything else changes with every step.
 */
export function hoistConstants(
  lowered: Lowered,
  writes: readonly Storage[],
  queue: 'train' | 'predict',
): Hoisted {
  const writers = countWriters(lowered.calls);
  const written = new Set(writes);
  const isConstant = (slot: Slot): boolean => {
    const { leaf } = rootOf(slot);
    if (leaf?.kind === 'storage')
      return !written.has(leaf.storage) && (queue === 'predict' || isUntrained(leaf));
    return leaf?.kind === 'constant';
  };
  let results = 0;
  const constants: KernelCall[] = [];
  const others: KernelCall[] = [];
  for (const [i, call] of lowered.calls.entries()) {
    const kept =
      i < lowered.commitStart &&
      call.inputs.length > 0 &&
      call.inputs.every((o) => isConstant(o.slot)) &&
      call.outputs.every(({ slot }) => !hasPlace(slot) && writers.get(slot) === 1);
    (kept ? constants : others).push(call);
    if (kept) for (const { slot } of call.outputs) slot.leaf = { kind: 'constant', index: results++ };
  }
  return { lowered: { ...lowered, calls: [...constants, ...others] }, constantCalls: constants.length };
}

/** Whether it is the memory of another slot, or persistent memory. */
function hasPlace({ alias, leaf }: Slot): boolean {
  return alias !== undefined || leaf !== undefined;
}

function countWriters(calls: readonly KernelCall[]): Map<Slot, number> {
  const writers = new Map<Slot, number>();
  for (const call of calls) {
    for (const { slot } of call.outputs) writers.set(rootOf(slot), (writers.get(rootOf(slot)) ?? 0) + 1);
  }
  return writers;
}
