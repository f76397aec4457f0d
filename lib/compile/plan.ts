/**
 * The memory plan: every intermediate gets an offset in one arena, by lifetime, so that a
 * step allocates nothing.
 */
import type { Operand, Slot } from '../graph/lowering';
import type { KernelCall, Lowered } from './lower';
import { rootOf } from './lower';

/** Offsets are multiples of a cache line, which is also the widest vector. */
const alignment = 64;

interface Lifetime {
  readonly slot: Slot;
  readonly first: number;
  last: number;
}

export interface MemoryPlan {
  readonly arenaBytes: number;
  readonly offsets: ReadonlyMap<Slot, number>;
}

/**
 * Plans the arena. Sets the aliases of slots: an output takes over the memory of an input that nothing reads
 * later, where the kernel allows it.
 */
export function planMemory(lowered: Lowered): MemoryPlan {
  shareInPlace(lowered);
  return assignOffsets(lifetimes(lowered));
}

function operandsOf(call: KernelCall): Operand[] {
  return [...call.inputs, ...call.outputs];
}

/** Last call that touches each root slot; program outputs live past the end. */
function lastUses(lowered: Lowered): Map<Slot, number> {
  const last = new Map<Slot, number>();
  lowered.calls.forEach((call, i) => {
    for (const operand of operandsOf(call)) last.set(rootOf(operand.slot), i);
  });
  for (const output of lowered.outputs) last.set(rootOf(output.slot), lowered.calls.length);
  return last;
}

/**
 * Puts a pointwise result where an input lies that nothing reads later, if their sizes agree: fewer
 * bytes in cache.
 */
function shareInPlace(lowered: Lowered): void {
  const last = lastUses(lowered);
  lowered.calls.forEach((call, i) => {
    const output = call.outputs[0];
    if (output === undefined || call.inPlace.length === 0 || rootOf(output.slot) !== output.slot) return;
    if (output.slot.leaf !== undefined) return;
    for (const index of call.inPlace) {
      const root = rootOf(call.inputs[index]!.slot);
      const readTwice = call.inputs.filter((o) => rootOf(o.slot) === root).length > 1;
      if (root.leaf !== undefined || root.bytes !== output.slot.bytes || last.get(root) !== i || readTwice)
        continue;
      output.slot.alias = root;
      last.set(root, Math.max(i, last.get(output.slot) ?? i));
      return;
    }
  });
}

function lifetimes(lowered: Lowered): Lifetime[] {
  const found = new Map<Slot, Lifetime>();
  const touch = (slot: Slot, at: number): void => {
    const root = rootOf(slot);
    if (root.leaf !== undefined) return;
    const known = found.get(root);
    if (known === undefined) found.set(root, { slot: root, first: at, last: at });
    else known.last = Math.max(known.last, at);
  };
  lowered.calls.forEach((call, i) => operandsOf(call).forEach((o) => touch(o.slot, i)));
  for (const output of lowered.outputs) touch(output.slot, lowered.calls.length);
  return [...found.values()];
}

/**
 * Greedy by size (Pisarchyk & Lee 2020): the largest first, each at the lowest offset free during
 * its whole lifetime.
 */
function assignOffsets(all: readonly Lifetime[]): MemoryPlan {
  const offsets = new Map<Slot, number>();
  const placed: { life: Lifetime; begin: number; end: number }[] = [];
  let arenaBytes = 0;
  for (const life of [...all].sort((a, b) => b.slot.bytes - a.slot.bytes || a.first - b.first)) {
    const size = Math.ceil(life.slot.bytes / alignment) * alignment;
    let begin = 0;
    for (const other of placed) {
      if (other.life.last < life.first || other.life.first > life.last) continue;
      if (begin + size <= other.begin) break;
      begin = Math.max(begin, other.end);
    }
    const end = begin + size;
    offsets.set(life.slot, begin);
    insertByBegin(placed, { life, begin, end });
    arenaBytes = Math.max(arenaBytes, end);
  }
  return { arenaBytes, offsets };
}

function insertByBegin<T extends { begin: number }>(list: T[], item: T): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.begin <= item.begin) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, item);
}
