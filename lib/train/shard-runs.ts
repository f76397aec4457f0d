/** Which passes of a step run together, and where what each leaves is added. */
import { levelsOf, type TreeStep } from './shards';

/** A pass over a shard of a batch, and what becomes of its sums: see `shardAdd`. */
export interface PlacedPass {
  /** The place of the shard among those of this process. */
  readonly own: number;
  /** The place of the batch among those of the step. */
  readonly batch: number;
  /** The row of its sum, in the stack of the tree or above it. */
  readonly level: number;
  /** The row of what the step's earlier batches left; -1: there were none. */
  readonly from: number;
  /** How many sums of neighbours, in the rows below, it is added to. */
  readonly merges: number;
  /** 1 where it is the last one of this process in the step, else 0. */
  readonly last: number;
}

/**
 * The runs of a step, each with the passes that it makes together.
 *
 * One by one: a shard of all batches before the next shard, so that there are few partial sums. In lockstep,
 * where shards see each other: all shards of a batch. What batches before the last one leave of a shard is
 * then kept in a row of its own, above the stack of the tree.
 */
export function passRuns(tree: readonly TreeStep[], batches: number, lockstep: boolean): PlacedPass[][] {
  const stack = levelsOf(tree, true);
  const placed = (own: number, batch: number): PlacedPass => {
    const { level, merges } = tree[own]!;
    const isLast = batch === batches - 1;
    const kept = lockstep ? stack + own : level;
    return {
      ...{ own, batch },
      level: isLast ? level : kept,
      from: batch === 0 ? -1 : kept,
      merges: isLast ? merges : 0,
      last: Number(isLast && own === tree.length - 1),
    };
  };
  const batchIndices = Array.from({ length: batches }, (_, batch) => batch);
  return lockstep
    ? batchIndices.map((batch) => tree.map((_, own) => placed(own, batch)))
    : tree.flatMap((_, own) => batchIndices.map((batch) => [placed(own, batch)]));
}

/** Rows that the runs of a step need, which has so many batches at most. */
export function rowsOf(tree: readonly TreeStep[], batches: number, lockstep: boolean): number {
  if (lockstep) return levelsOf(tree, true) + (batches > 1 ? tree.length : 0);
  return levelsOf(tree, batches === 1);
}
