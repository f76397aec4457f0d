/** Where the batches of an epoch come from: a Dataset, or anything iterable that yields batches. */
import { performance } from 'node:perf_hooks';
import { DataError, OptionError, ShapeError } from '../errors';
import { formatShape } from '../tensor/shape';
import { show } from '../options';
import { Dataset } from '../data/dataset';
import { cutEpoch, type CutOptions, type EpochCut } from '../data/cut';
import { BatchLoader, type LoadedBatch, type LoaderOptions } from '../data/loader';
import type { WeightedRandomSampler } from '../data/sampler';
import type { ImageRecipe, Recorded } from '../data/samples';
import type { AnyArray } from '../native';
import { asImages } from '../ops';
import { tensor, Tensor } from '../tensor/tensor';
import type { Shape } from '../tensor/shape';

/** Numbers with the shape they stand for. */
export interface ShapedArray {
  readonly data: AnyArray;
  readonly shape: Shape;
}

/** One batch of a stream. Class indices are an Int32Array of shape [B], or an i32 tensor. */
export interface StreamBatch {
  readonly inputs: Tensor | ShapedArray;
  readonly targets: Tensor | ShapedArray;
  /** How much each sample counts in the loss, f32 [B]. Default: all the same. */
  readonly weights?: Tensor | ShapedArray;
}

type Batches = Iterable<StreamBatch> | AsyncIterable<StreamBatch>;

/**
 * Batches in an order that the caller chooses: an array, a generator, a database cursor. Several epochs need
 * one that can be iterated again (an array can, a generator cannot), or a function that returns a new one for
 * each epoch (counted from 0).
 */
export type BatchStream = Batches | ((epoch: number) => Batches);

/** A batch as a compiled step takes it. */
export interface Batch {
  readonly args: Tensor[];
  /** Samples of the whole batch. */
  readonly size: number;
  /** The place of the first sample of `args`, where they are only a part of the batch. Absent: 0. */
  readonly first?: number;
  /** The parts that it is computed in; absent where that is in one. */
  readonly shards?: readonly Shard[];
}

/** A part of a batch, as a compiled step takes it. */
export interface Shard {
  readonly args: Tensor[];
  readonly size: number;
  /** The place of its first sample in the batch. */
  readonly first: number;
}

/** The batches of one epoch, in order. */
export interface EpochBatches {
  next(): Promise<Batch | undefined>;
  /** Milliseconds spent waiting for data so far. */
  readonly waitMs: number;
  /** Frees what the iteration holds. Also called when an epoch ends early. */
  close(): Promise<void>;
}

export interface BatchSource {
  /** Undefined if nobody knows. */
  readonly batchesPerEpoch: number | undefined;
  readonly stepsPerEpoch: number | undefined;
  /** The step of the epoch that a batch of the epoch belongs to. Both are counted from 0. */
  stepOf(batch: number): number;
  /** The largest class index there is; undefined if targets are numbers, or not known. */
  readonly highestLabel: number | undefined;
  /**
   * Opens an epoch after its first `start` batches, up to batch `end` where the number of batches is known.
   */
  open(epoch: number, start: number, end?: number): Promise<EpochBatches>;
  /** Records the tensors of a batch inside compile(). */
  record(args: readonly Tensor[]): Recorded;
  /** Ends what prepares batches, if anything does. */
  close?(): Promise<void>;
}

/** How samples of a data set are ordered and prepared. */
export interface DatasetOptions {
  readonly cut: CutOptions;
  /** Random order from this seed; undefined: the order of the set. */
  readonly shuffleSeed: number | undefined;
  /** Draws the samples of each epoch by that seed. Absent: each sample comes once. */
  readonly sampler?: WeightedRandomSampler | undefined;
  /** Ignored for features. */
  readonly recipe: ImageRecipe;
  /** Absent: the step takes images from the set. */
  readonly preparation?: Preparation | undefined;
  /** The samples that are loaded of a batch. Absent: all. */
  readonly part?: LoaderOptions['part'] | undefined;
}

/** What changes the images of a batch before its step. */
export interface Preparation {
  readonly prepare: (batch: PreparedBatch) => Promise<Uint8Array>;
  /** How many batches are begun before those ahead of them are taken. */
  readonly ahead: number;
  readonly close: () => Promise<void>;
}

/** The samples of a batch, before its step. */
export interface PreparedBatch {
  /** Rows of the set. */
  readonly samples: Int32Array;
  /** How often each came before in this epoch; undefined: never. */
  readonly occurrence: Int32Array | undefined;
  /** Counted from 0. */
  readonly epoch: number;
}

export class DatasetSource implements BatchSource {
  readonly highestLabel: number | undefined;
  private readonly cut: EpochCut;

  /** @throws OptionError if all batches of the data set are dropped */
  constructor(
    private readonly dataset: Dataset,
    private readonly options: DatasetOptions,
  ) {
    this.highestLabel = dataset.labels?.reduce((max, label) => Math.max(max, label), 0);
    this.cut = cutEpoch(options.sampler?.count(dataset) ?? dataset.length, options.cut);
  }

  get batchesPerEpoch(): number {
    return this.cut.batches;
  }

  get stepsPerEpoch(): number {
    return this.cut.steps;
  }

  stepOf(batch: number): number {
    return this.cut.stepOf(batch);
  }

  async open(epoch: number, start: number, end?: number): Promise<EpochBatches> {
    const { cut, shuffleSeed: seed, sampler, part } = this.options;
    const loader = new BatchLoader(this.dataset, {
      ...cut,
      start,
      ...(end !== undefined && { end }),
      ...(seed !== undefined && { shuffle: { seed, epoch } }),
      ...(sampler && { sampler }),
      ...(part && { part }),
    });
    return new LoadedBatches(loader, (batch) => this.args(batch, epoch), this.options.preparation?.ahead);
  }

  async close(): Promise<void> {
    await this.options.preparation?.close();
  }

  record([index, occurrence, pixels]: readonly Tensor[]): Recorded {
    const [channels = 1, height = 1, width = 1] = this.dataset.inputShape;
    const images = pixels && asImages(pixels, [height, width, channels]);
    return this.dataset.batch({ index: index!, occurrence, images }, this.options.recipe);
  }

  /** What a step takes: rows; how often each came before, if that is known; images, if they are prepared. */
  private async args({ rows, occurrence }: LoadedBatch, epoch: number): Promise<Tensor[]> {
    const { preparation } = this.options;
    const known = [rows, ...(occurrence === undefined ? [] : [occurrence])].map(rowNumbers);
    if (preparation === undefined) return known;
    const pixels = await preparation.prepare({ samples: rows, occurrence, epoch });
    const [first, second = rowNumbers(new Int32Array(rows.length))] = known;
    const shape = [rows.length, pixels.length / rows.length];
    return [first!, second, new Tensor(shape, 'u8', { kind: 'host', array: pixels })];
  }
}

/** Batches of a loader, the next of which are prepared while one is used. */
class LoadedBatches implements EpochBatches {
  private loaded: Promise<unknown> = Promise.resolve();
  private readonly begun: Promise<Batch | undefined>[] = [];

  constructor(
    private readonly loader: BatchLoader,
    private readonly argsOf: (batch: LoadedBatch) => Promise<Tensor[]>,
    private readonly ahead = 0,
  ) {}

  get waitMs(): number {
    return this.loader.waitMs;
  }

  next(): Promise<Batch | undefined> {
    while (this.begun.length <= this.ahead) {
      // A loader hands out one batch at a time.
      const loading = this.loaded.then(() => this.loader.next());
      this.loaded = loading;
      const batch = loading.then((loaded) => loaded && this.prepared(loaded));
      // Whoever takes this batch sees the failure, so until then it does not count as unhandled.
      batch.catch(() => undefined);
      this.begun.push(batch);
    }
    return this.begun.shift()!;
  }

  async close(): Promise<void> {
    this.loader.close();
    this.begun.length = 0;
  }

  private async prepared(loaded: LoadedBatch): Promise<Batch> {
    const { size, first } = loaded;
    return { args: await this.argsOf(loaded), size, first };
  }
}

function rowNumbers(array: Int32Array): Tensor {
  return new Tensor([array.length], 'i32', { kind: 'host', array });
}

export class StreamSource implements BatchSource {
  readonly batchesPerEpoch = undefined;
  readonly stepsPerEpoch = undefined;
  readonly highestLabel = undefined;
  private opened = 0;

  constructor(
    private readonly stream: BatchStream,
    private readonly accumulate = 1,
  ) {}

  stepOf(batch: number): number {
    return Math.floor(batch / this.accumulate);
  }

  async open(epoch: number, start: number): Promise<EpochBatches> {
    const iterable = typeof this.stream === 'function' ? this.stream(epoch) : this.stream;
    const iterator = iteratorOf(iterable);
    if (this.opened++ > 0 && typeof this.stream !== 'function' && isOneShot(iterable, iterator)) {
      throw new DataError(
        'fit: this iterable can be read only once, and the first epoch has read it; pass a function that makes a new one for each epoch',
      );
    }
    const batches = new StreamBatches(iterator);
    try {
      await skip(batches, start);
    } catch (error) {
      batches.close().catch(() => undefined);
      throw error;
    }
    batches.waitMs = 0;
    return batches;
  }

  record([inputs, targets, weights]: readonly Tensor[]): Recorded {
    return { inputs: inputs!, targets: targets!, ...(weights && { weights }) };
  }
}

/** @throws DataError if there are fewer */
async function skip(batches: EpochBatches, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if ((await batches.next()) === undefined)
      throw new DataError(
        `fit: the stream ended after ${i} batches, but the checkpoint was made after ${count}`,
      );
  }
}

class StreamBatches implements EpochBatches {
  waitMs = 0;

  constructor(private readonly iterator: Iterator<StreamBatch> | AsyncIterator<StreamBatch>) {}

  async next(): Promise<Batch | undefined> {
    const begin = performance.now();
    const result = await this.iterator.next();
    this.waitMs += performance.now() - begin;
    if (result.done === true) return undefined;
    const value: unknown = result.value;
    if (typeof value !== 'object' || value === null || !('inputs' in value) || !('targets' in value))
      throw new DataError(`fit: a stream must yield { inputs, targets }, got ${show(value)}`);
    const args = [asTensor('inputs', value.inputs), asTensor('targets', value.targets)];
    const size = args[0]!.shape[0] ?? 0;
    if (size === 0 || args[1]!.shape[0] !== size) {
      throw new ShapeError(
        `fit: a batch has inputs ${formatShape(args[0]!.shape)} and targets ${formatShape(args[1]!.shape)}`,
      );
    }
    if ('weights' in value && value.weights !== undefined) args.push(weightsOf(value.weights, size));
    return { args, size };
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }
}

function asTensor(name: string, value: unknown): Tensor {
  if (value instanceof Tensor) return value;
  if (isShapedArray(value)) return tensor(value.data, value.shape);
  throw new DataError(`fit: ${name} of a batch must be a tensor or { data, shape }, got ${show(value)}`);
}

function weightsOf(value: unknown, size: number): Tensor {
  const weights = asTensor('weights', value);
  if (weights.dtype !== 'f32' || weights.rank !== 1 || weights.shape[0] !== size)
    throw new ShapeError(
      `fit: weights of a batch of ${size} must be f32 [${size}], got ${weights.dtype} ${formatShape(weights.shape)}`,
    );
  return weights;
}

/** Whether it has the parts of one, which `tensor` checks. */
function isShapedArray(value: unknown): value is ShapedArray {
  return typeof value === 'object' && value !== null && 'data' in value && 'shape' in value;
}

function iteratorOf(iterable: Batches): Iterator<StreamBatch> | AsyncIterator<StreamBatch> {
  // A typed array can be iterated too, but yields numbers.
  if (typeof iterable === 'object' && iterable !== null && !ArrayBuffer.isView(iterable)) {
    if (Symbol.asyncIterator in iterable) return iterable[Symbol.asyncIterator]();
    if (Symbol.iterator in iterable) return iterable[Symbol.iterator]();
  }
  throw new OptionError(`fit: expected a Dataset or an iterable of batches, got ${show(iterable)}`);
}

/** A generator is its own iterator, so a second loop over it finds nothing. */
function isOneShot(iterable: unknown, iterator: unknown): boolean {
  return iterable === iterator;
}

/** @throws DataError if there is nothing to train on */
export function requireSamples(where: string, dataset: Dataset): void {
  if (!(dataset instanceof Dataset))
    throw new OptionError(`${where}: expected a Dataset, got ${show(dataset)}`);
  if (dataset.length === 0) throw new DataError(`${where}: the data set is empty`);
}
