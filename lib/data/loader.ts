/** Batches of a data set in order, read ahead of training so that decoding and training overlap. */
import { performance } from 'node:perf_hooks';
import { cutEpoch, type CutOptions, type EpochCut } from './cut';
import type { Dataset } from './dataset';
import { identity, shuffled } from './order';
import type { Drawn, WeightedRandomSampler } from './sampler';

/** Batches whose samples are being decoded while earlier ones train. */
const BATCHES_AHEAD = 8;

/** Options of {@link BatchLoader}. */
export interface LoaderOptions extends CutOptions {
  /** Random order by (seed, epoch); without it samples come in the order of the set. */
  readonly shuffle?: { readonly seed: number; readonly epoch: number };
  /** Draws the samples of the epoch instead, by the seed and epoch of `shuffle`. */
  readonly sampler?: WeightedRandomSampler;
  /** How many batches to pass over: those of this epoch that were trained before a checkpoint. Default 0. */
  readonly start?: number;
  /** Where to end: behind so many batches of the epoch. Default: behind the last. */
  readonly end?: number;
  /** The samples [begin, end) to load of a batch of so many. Default: all. */
  readonly part?: (size: number) => readonly [begin: number, end: number];
}

/** The samples of a batch, or of the part that was to be loaded. */
export interface LoadedBatch {
  /** How many the whole batch has. */
  readonly size: number;
  /** The place of the first of these in the batch. */
  readonly first: number;
  /** Their positions in the set. */
  readonly positions: Int32Array;
  /** Their rows, for `Dataset.batch`. */
  readonly rows: Int32Array;
  /** How often each came before in this epoch; absent: never. */
  readonly occurrence?: Int32Array;
}

export class BatchLoader {
  /** Milliseconds that next() has spent waiting for samples to be decoded. */
  waitMs = 0;
  private readonly cut: EpochCut;
  private readonly end: number;
  private order: Drawn | undefined;
  private position: number;
  /** Next batch to start reading. */
  private ahead: number;
  private readonly reads: (Promise<void> | undefined)[] = [];
  private readonly closed = new AbortController();

  constructor(
    private readonly dataset: Dataset,
    private readonly options: LoaderOptions,
  ) {
    this.cut = cutEpoch(options.sampler?.count(dataset) ?? dataset.length, options);
    this.end = Math.min(options.end ?? Infinity, this.cut.batches);
    this.position = options.start ?? 0;
    this.ahead = this.position;
  }

  /**
   * The next batch; undefined after the last, or once closed. Its samples are in memory.
   * @throws what reading its samples throws, AbortedError where `close` came while it waited for them
   */
  async next(): Promise<LoadedBatch | undefined> {
    if (this.position >= this.end || this.closed.signal.aborted) return undefined;
    this.order ??= await this.makeOrder();
    while (this.ahead < this.end && this.ahead <= this.position + BATCHES_AHEAD) this.startReading();
    const read = this.reads.shift();
    if (read !== undefined) {
      const begin = performance.now();
      await read;
      this.waitMs += performance.now() - begin;
    }
    const batch = this.position++;
    const positions = this.positions(batch);
    const [begin, end] = this.cut.bounds(batch);
    const [from, to] = this.bounds(batch);
    const occurrence = this.order.occurrence?.subarray(from, to);
    return {
      ...{ size: end - begin, first: from - begin },
      ...{ positions, rows: this.dataset.rowsAt(positions), ...(occurrence && { occurrence }) },
    };
  }

  /**
   * Gives up the batches read ahead: samples whose decoding has not begun stay undecoded, unless someone else
   * waits for them, too.
   */
  close(): void {
    this.closed.abort();
    this.reads.length = 0;
  }

  private startReading(): void {
    const read = this.dataset.ensure(this.positions(this.ahead++), this.closed.signal);
    // Whoever takes this batch sees the failure, so until then it does not count as unhandled.
    read?.catch(() => undefined);
    this.reads.push(read);
  }

  private positions(batch: number): Int32Array {
    return this.order!.positions.subarray(...this.bounds(batch));
  }

  /** The positions in the order of the epoch that are loaded for a batch. */
  private bounds(batch: number): [begin: number, end: number] {
    const [begin, end] = this.cut.bounds(batch);
    const [from, to] = this.options.part?.(end - begin) ?? [0, end - begin];
    return [begin + from, begin + to];
  }

  private async makeOrder(): Promise<Drawn> {
    const { shuffle, sampler } = this.options;
    const { length } = this.dataset;
    if (shuffle === undefined) return { positions: identity(length) };
    const { seed, epoch } = shuffle;
    if (sampler !== undefined) return sampler.draw(this.dataset, seed, epoch);
    return { positions: await shuffled(length, seed, 'order', epoch) };
  }
}
