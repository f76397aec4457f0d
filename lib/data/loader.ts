/** Batches of a data set in order, read ahead of training so that decoding and training overlap. */
import { performance } from 'node:perf_hooks';
import { cutEpoch, type CutOptions, type EpochCut } from './cut';
import type { Dataset } from './dataset';
import { identity, shuffled } from './order';

/** Batches whose samples are being decoded while earlier ones train. */
const BATCHES_AHEAD = 8;

/** Options of {@link BatchLoader}. */
export interface LoaderOptions extends CutOptions {
  /** Random order by (seed, epoch); without it samples come in the order of the set. */
  readonly shuffle?: { readonly seed: number; readonly epoch: number };
  /** How many batches to pass over: those of this epoch that were trained before a checkpoint. Default 0. */
  readonly start?: number;
}

export class BatchLoader {
  /** Milliseconds that next() has spent waiting for samples to be decoded. */
  waitMs = 0;
  private readonly cut: EpochCut;
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
    this.cut = cutEpoch(dataset.length, options);
    this.position = options.start ?? 0;
    this.ahead = this.position;
  }

  /**
   * The next batch, as rows for `Dataset.batch`; undefined after the last, or once closed. Its samples
   * are in memory.
   * @throws what reading its samples throws, AbortedError where `close` came while it waited for them
   */
  async next(): Promise<Int32Array | undefined> {
    if (this.position >= this.cut.batches || this.closed.signal.aborted) return undefined;
    this.order ??= await this.makeOrder();
    while (this.ahead < this.cut.batches && this.ahead <= this.position + BATCHES_AHEAD) this.startReading();
    const read = this.reads.shift();
    if (read !== undefined) {
      const begin = performance.now();
      await read;
      this.waitMs += performance.now() - begin;
    }
    return this.dataset.rowsAt(this.positions(this.position++));
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
    return this.order!.subarray(...this.cut.bounds(batch));
  }

  private async makeOrder(): Promise<Int32Array> {
    const { shuffle } = this.options;
    const { length } = this.dataset;
    if (shuffle === undefined) return identity(length);
    return shuffled(length, shuffle.seed, 'order', shuffle.epoch);
  }
}
