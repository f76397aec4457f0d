/**
 * Shards: the parts of a batch, each of which is a pass of its own, and the order in which their sums are
 * added. Both depend on the number of shards alone, so any number of processes that share the shards out
 * computes the same bits.
 */
import { World } from '../distributed';
import { DataError, OptionError } from '../errors';
import type { EpochCut } from '../data/cut';
import { BatchNorm } from '../nn/layers/batch-norm';
import type { Module } from '../nn/module';
import { bool, showMade } from '../options';
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

/** @throws OptionError unless it is a world whose ranks each have a shard, where `shards` is given */
export function checkWorld(value: unknown, shards: number | undefined): World | undefined {
  if (value === undefined) return undefined;
  if (!(value instanceof World))
    throw new OptionError(
      `Trainer: world must be what distributed.join() resolves with, got ${showMade(value)}`,
    );
  if (shards !== undefined) requireShardEach('Trainer', shards, value);
  return value;
}

/** @throws OptionError where there are more ranks than shards */
export function requireShardEach(where: string, shards: number, world: World | undefined): void {
  if (world === undefined || shards >= world.size) return;
  throw new OptionError(
    `${where}: shards must be at least ${world.size}, the size of the world, got ${shards}`,
  );
}

/** @throws OptionError where batch norm is to see all shards, and there is only one */
export function requireSeveral(where: string, shards: number): void {
  if (shards > 1) return;
  throw new OptionError(
    `${where}: syncBatchNorm makes batch norm see all shards of a batch, and there is one; set shards to 2 or more`,
  );
}

/** @throws OptionError unless it is a boolean that has a meaning for the model and its shards */
export function checkSyncBatchNorm(
  value: unknown,
  model: Module,
  shards: number | undefined,
): boolean | undefined {
  if (value === undefined) return undefined;
  const sync = bool('Trainer', 'syncBatchNorm', value);
  if (!sync) return sync;
  if (shards !== undefined) requireSeveral('Trainer', shards);
  if (![...model.namedModules().values()].some((module) => module instanceof BatchNorm))
    throw new OptionError('Trainer: syncBatchNorm is for a model with batch norm, and this one has none');
  return sync;
}

/** The shards [begin, end) of `shards` that a process computes. */
export interface ShardRange {
  readonly shards: number;
  readonly begin: number;
  readonly end: number;
}

/** The samples of a batch of `size` that a range of its shards has. */
export function samplesOf({ shards, begin, end }: ShardRange, size: number): [begin: number, end: number] {
  return [shardBegin(size, shards, begin), shardBegin(size, shards, end)];
}

/** The source, with a range of the shards of its batches. */
export class ShardedSource implements BatchSource {
  /** @param source of whole batches, or of what the range has of them */
  constructor(
    private readonly source: BatchSource,
    private readonly range: ShardRange,
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
    const { range } = this;
    return {
      get waitMs() {
        return batches.waitMs;
      },
      next: async () => {
        const batch = await batches.next();
        return batch && cutBatch(batch, range);
      },
      close: () => batches.close(),
    };
  }

  async close(): Promise<void> {
    await this.source.close?.();
  }
}

/** @throws DataError where there are fewer samples than shards */
async function cutBatch(batch: Batch, { shards, begin, end }: ShardRange): Promise<Batch> {
  const { args, size, first: loaded = 0 } = batch;
  if (size < shards)
    throw new DataError(`fit: a batch of ${size} samples cannot be cut into ${shards} shards`);
  const arrays = await Promise.all(
    args.map(async (t) => (t.source.kind === 'host' ? t.source.array : t.data())),
  );
  const parts = Array.from({ length: end - begin }, (_, i): Shard => {
    const [first, last] = samplesOf({ shards, begin: begin + i, end: begin + i + 1 }, size);
    const part = args.map(({ shape: [, ...rest], dtype }, a) => {
      const row = numel(rest);
      const array = arrays[a]!.subarray((first - loaded) * row, (last - loaded) * row);
      return new Tensor([last - first, ...rest], dtype, { kind: 'host', array });
    });
    return { first, args: part, size: last - first };
  });
  return { ...batch, shards: parts };
}
