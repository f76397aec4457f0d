/**
 * Shards: the parts of a batch, each of which is a pass of its own, and the order in which their sums are
 * added. Both depend on the number of shards alone, so any number of processes that share the shards out
 * computes the same bits.
 */
import { DataError, OptionError } from '../errors';
import type { EpochCut } from '../data/cut';
import { numel } from '../tensor/shape';
import { Tensor } from '../tensor/tensor';
import type { Batch, BatchSource, EpochBatches, Shard } from './batch-source';

/** A shard, and what becomes of its sum: a stack of partial sums. */
export interface TreeStep {
  readonly shard: number;
  /** The place in the stack of its own sum, which is pushed. */
  readonly level: number;
  /** How often the topmost sum is then added to the one below it. */
  readonly merges: number;
}

/**
 * The order in which shards [begin, end) of `shards` are computed and added. The tree splits each
 * range behind the largest power of two below its length. Afterwards the stack holds the sums of the
 * largest subtrees in [begin, end), from left to right: the sum of all, for all shards; never more
 * than 2 log2(shards).
 */
export function treeSteps(shards: number, begin = 0, end = shards): TreeStep[] {
  const steps: { shard: number; level: number; merges: number }[] = [];
  let depth = 0;
  const visit = (low: number, high: number): void => {
    if (high <= begin || low >= end) return;
    if (high - low === 1) {
      steps.push({ shard: low, level: depth++, merges: 0 });
      return;
    }
    const middle = low + 2 ** (Math.ceil(Math.log2(high - low)) - 1);
    visit(low, middle);
    visit(middle, high);
    if (low < begin || high > end) return;
    steps[steps.length - 1]!.merges++;
    depth--;
  };
  visit(0, shards);
  return steps;
}

/** How many partial sums exist at once. A sum that is merged at once needs no place: see `shardAdd`. */
export function levelsOf(steps: readonly TreeStep[], mergedAtOnce: boolean): number {
  return Math.max(...steps.map(({ level, merges }) => (mergedAtOnce && merges > 0 ? level : level + 1)));
}

/** Where shard `index` of a batch of `size` begins; the first ones have the samples that are left over. */
export function shardBegin(size: number, shards: number, index: number): number {
  return index * Math.floor(size / shards) + Math.min(index, size % shards);
}

/** @throws OptionError where an epoch has a batch of fewer samples than shards */
export function requireShardable(cut: EpochCut, shards: number): void {
  if (cut.smallest >= shards) return;
  throw new OptionError(
    `fit: a batch of ${cut.smallest} samples cannot be cut into ${shards} shards: ` +
      "each needs a sample in every batch of an epoch; choose a larger batchSize or another lastBatch ('drop' leaves a small last batch out)",
  );
}

/** The source, with its batches cut into shards. */
export class ShardedSource implements BatchSource {
  constructor(
    private readonly source: BatchSource,
    private readonly shards: number,
  ) {}

  get batchesPerEpoch(): number | undefined {
    return this.source.batchesPerEpoch;
  }

  get stepsPerEpoch(): number | undefined {
    return this.source.stepsPerEpoch;
  }

  get highestLabel(): number | undefined {
    return this.source.highestLabel;
  }

  stepOf(batch: number): number {
    return this.source.stepOf(batch);
  }

  record(args: readonly Tensor[]): ReturnType<BatchSource['record']> {
    return this.source.record(args);
  }

  async open(epoch: number, start: number): Promise<EpochBatches> {
    const batches = await this.source.open(epoch, start);
    const { shards } = this;
    return {
      get waitMs() {
        return batches.waitMs;
      },
      next: async () => {
        const batch = await batches.next();
        return batch && cutBatch(batch, shards);
      },
      close: () => batches.close(),
    };
  }

  async close(): Promise<void> {
    await this.source.close?.();
  }
}

/** @throws DataError where there are fewer samples than shards */
async function cutBatch(batch: Batch, shards: number): Promise<Batch> {
  const { args, size } = batch;
  if (size < shards)
    throw new DataError(`fit: a batch of ${size} samples cannot be cut into ${shards} shards`);
  const arrays = await Promise.all(
    args.map(async (t) => (t.source.kind === 'host' ? t.source.array : t.data())),
  );
  const parts = Array.from({ length: shards }, (_, shard): Shard => {
    const [first, end] = [shardBegin(size, shards, shard), shardBegin(size, shards, shard + 1)];
    const part = args.map(({ shape: [, ...rest], dtype }, i) => {
      const row = numel(rest);
      const array = arrays[i]!.subarray(first * row, end * row);
      return new Tensor([end - first, ...rest], dtype, { kind: 'host', array });
    });
    return { first, args: part, size: end - first };
  });
  return { ...batch, shards: parts };
}
