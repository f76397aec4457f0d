/** Batches of a data set in order, read ahead of training so that decoding and training overlap. */
import { performance } from 'node:perf_hooks';
import type { Dataset } from './dataset';
import { identity, shuffled } from './order';

/** Batches whose samples are being decoded while earlier ones train. */
const BATCHES_AHEAD = 8;

/** Options of {@link BatchLoader}. */
export interface LoaderOptions {
  readonly batchSize: number;
  /** Random order by (seed, epoch); without it samples come in the order of the set. */
  readonly shuffle?: { readonly seed: number; readonly epoch: number };
  /** Batches to pass over: those of this epoch that were trained before a checkpoint. Default 0. */
  readonly start?: number;
}

/**
 * How many batches an epoch has. The last one may be smaller, but a remainder of a single sample joins the batch before it: batch
 * normalization has no variance over one.
 */
export function batchCount(length: number, batchSize: number): number {
  const remainder = length % batchSize;
  const whole = (length - remainder) / batchSize;
  return remainder > 1 || whole === 0 ? Math.ceil(length / batchSize) : whole;
}

/** Where batch `index` begins and ends. */
function bounds(index: number, length: number, batchSize: number): [begin: number, end: number] {
  const last = index === batchCount(length, batchSize) - 1;
  return [index * batchSize, last ? length : (index + 1) * batchSize];
}

export class BatchLoader {
  /** Milliseconds that next() has spent waiting for samples to be decoded. */
  waitMs = 0;
  readonly count: number;
  private order: Int32Array | undefined;
  private position: number;
  /** Next batch to start reading. */
  private ahead: number;
  private readonly reads: (Promise<void> | undefined)[] = [];
  private readonly closed = new AbortController();

  constructor(
    private readonly dataset: Dataset,
    private readonly options: LoaderOptions,
  ) {
    this.count = batchCount(dataset.length, options.batchSize);
    this.position = options.start ?? 0;
    this.ahead = this.position;
  }

  /**
   * The next batch, as rows for `Dataset.batch`; undefined after the last, or once closed. Its samples are in memory.
   * @throws what reading its samples throws, AbortedError where `close` came while it waited for them
   */
  async next(): Promise<Int32Array | undefined> {
    if (this.position >= this.count || this.closed.signal.aborted) return undefined;
    this.order ??= await this.makeOrder();
    while (this.ahead < this.count && this.ahead <= this.position + BATCHES_AHEAD) this.startReading();
    const read = this.reads.shift();
    if (read !== undefined) {
      const begin = performance.now();
      await read;
      this.waitMs += performance.now() - begin;
    }
    return this.dataset.rowsAt(this.positions(this.position++));
  }

  /** Gives up the batches read ahead: samples whose decoding has not begun stay undecoded, unless someone else waits for them, too. */
  close(): void {
    this.closed.abort();
    this.reads.length = 0;
  }

  private startReading(): void {
    const read = this.dataset.ensure(this.positions(this.ahead++), this.closed.signal);
    // Whoever takes this batch sees the failure; until then it is not an unhandled one.
    read?.catch(() => undefined);
    this.reads.push(read);
  }

  private positions(batch: number): Int32Array {
    const [begin, end] = bounds(batch, this.dataset.length, this.options.batchSize);
    return this.order!.subarray(begin, end);
  }

  private async makeOrder(): Promise<Int32Array> {
    const { shuffle } = this.options;
    const { length } = this.dataset;
    if (shuffle === undefined) return identity(length);
    return shuffled(length, shuffle.seed, 'order', shuffle.epoch);
  }
}
