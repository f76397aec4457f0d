/**
 * Images packed in native memory: u8 [N, C, H, W], or one after the other where they have sizes of their own.
 * Sources that decode fill it row by row, on demand and ahead of it.
 */
import { availableParallelism } from 'node:os';
import { AbortedError, FormatError } from '../errors';
import * as native from '../native';
import type { Shape } from '../tensor/shape';
import { zeros, type PersistentTensor, type Tensor } from '../tensor/tensor';
import {
  packLabels,
  type BatchRows,
  type ChannelStatistics,
  type ImageRecipe,
  type Recorded,
  type Samples,
  type Size,
  type StoredImages,
} from './samples';
import { Placement } from './placement';
import { Semaphore } from './semaphore';
import { inSlices } from './slices';
import { everyRow, recordWindow } from './stored-images';
import type { ResizeRule } from './decode';
import type { ImageSource } from './source';

/**
 * The number of rows that are read at once: enough to keep the decoding threads busy while others wait
 * for their file.
 */
const READS_AT_ONCE = 2 * Math.max(2, availableParallelism());

/**
 * Statistics of data that is decoded lazily come from this many images, evenly spaced over the set: folders
 * group them by class.
 */
export const STATISTICS_SAMPLE = 2048;

/** The number of rows that `readAll` reads between two reports. */
const ROWS_BETWEEN_REPORTS = 64;

/** Options of {@link PackedImages.readAll}. */
export interface ReadAllOptions {
  readonly signal?: AbortSignal;
  /** Called with the number of rows read, and of all rows. */
  readonly onProgress?: (rows: number, of: number) => void;
}

/** A row that is being read, or waits for its turn. */
interface PendingRead {
  done: Promise<void>;
  /** The signals of all who wait for it; undefined for one who cannot give up. */
  readonly signals: (AbortSignal | undefined)[];
}

export class PackedImages implements Samples {
  readonly kind = 'images';
  readonly length: number;
  readonly shape: Shape;
  readonly targets: Tensor;
  readonly labels: Int32Array;
  readonly classNames: readonly string[];
  readonly resize?: ResizeRule;
  readonly names?: readonly string[];
  private readonly images: PersistentTensor;
  /** Where each image lies; made when views of them are asked for. */
  private table: PersistentTensor | undefined;
  private readonly placement: Placement;
  private readonly sums: PixelSums;
  /** 1 for rows in memory. */
  private readonly present: Uint8Array;
  private missing: number;
  private readonly reading = new Map<number, PendingRead>();
  private readonly reads = new Semaphore(READS_AT_ONCE);
  /** Dropped once everything is packed: an eager source holds a second copy of all pixels. */
  private source: ImageSource | undefined;
  /** Whether rows may have to be decoded. */
  readonly lazy: boolean;

  private constructor(source: ImageSource) {
    const { length, height, width, channels } = source;
    this.length = length;
    this.shape = [channels, height, width];
    this.labels = source.labels;
    this.classNames = source.classNames;
    if (source.resize !== undefined) this.resize = source.resize;
    if (source.names !== undefined) this.names = source.names;
    this.placement = new Placement(source);
    const { own, bytes } = this.placement;
    this.images = zeros(own ? [bytes] : [length, channels, height, width], 'u8');
    this.targets = packLabels(source.labels);
    this.sums = new PixelSums(length, channels);
    this.present = new Uint8Array(length);
    this.missing = length;
    this.source = source;
    this.lazy = !source.eager;
  }

  /**
   * Copies what is in one array now, in slices between which the event loop turns. Other sources stay
   * where they are.
   */
  static async pack(source: ImageSource): Promise<PackedImages> {
    const packed = new PackedImages(source);
    const { bytes } = source;
    if (bytes === undefined) return packed;
    const rowBytes = packed.placement.bytesOf(0); // sources that hold all samples in one array have one size
    await inSlices(packed.length, rowBytes, (begin, end) => {
      for (let row = begin; row < end; row++)
        packed.put(row, bytes.subarray(row * rowBytes, (row + 1) * rowBytes));
    });
    return packed;
  }

  ensure(rows: Int32Array, signal?: AbortSignal): Promise<void> | undefined {
    if (this.missing === 0) return undefined;
    const reads: Promise<void>[] = [];
    for (const row of rows) if (this.present[row] === 0) reads.push(this.read(row, signal));
    return reads.length === 0 ? undefined : Promise.all(reads).then(() => undefined);
  }

  /**
   * Reads all rows, with turns of the event loop between them. Damaged rows stay zeros; the result says what
   * is wrong with each.
   * @throws AbortedError once the signal has fired; what is wrong otherwise
   */
  async readAll({ signal, onProgress }: ReadAllOptions): Promise<Map<number, FormatError>> {
    const damaged = new Map<number, FormatError>();
    for (let begin = 0; begin < this.length; begin += ROWS_BETWEEN_REPORTS) {
      const end = Math.min(this.length, begin + ROWS_BETWEEN_REPORTS);
      const rows = Array.from({ length: end - begin }, (_, i) => begin + i);
      const reads = await Promise.allSettled(
        rows.map(async (row) => this.ensure(Int32Array.of(row), signal)),
      );
      if (signal?.aborted === true) throw new AbortedError('folder: aborted', { cause: signal.reason });
      reads.forEach((read, i) => {
        if (read.status === 'fulfilled') return;
        if (!(read.reason instanceof FormatError)) throw read.reason;
        damaged.set(rows[i]!, read.reason);
      });
      onProgress?.(end, this.length);
    }
    // No view holds a damaged row, so the source, perhaps an archive, is no longer needed.
    this.missing = 0;
    this.source = undefined;
    return damaged;
  }

  /** Whether a row is in memory. */
  holds(row: number): boolean {
    return this.present[row] === 1;
  }

  /** Rows that are not in memory yet, from their bytes. */
  fill(rows: Int32Array, bytes: Uint8Array): void {
    const begins = this.placement.offsetsOf(rows);
    rows.forEach((row, i) => this.put(row, bytes.subarray(begins[i], begins[i + 1])));
  }

  /** Writes the bytes of a row into `out`; one that is not in memory is decoded, and not kept here. */
  async copy(row: number, out: Uint8Array): Promise<void> {
    if (this.present[row] === 1) out.set(await this.values(Int32Array.of(row)));
    else await this.source!.read(row, out);
  }

  async statistics(rows: Int32Array): Promise<ChannelStatistics> {
    const sample = this.lazy ? evenlySpaced(rows, STATISTICS_SAMPLE) : rows;
    await this.ensure(sample);
    const bytes = this.placement.offsetsOf(sample)[sample.length]!;
    return this.sums.statistics(sample, bytes / this.placement.channels);
  }

  async values(rows: Int32Array): Promise<Uint8Array> {
    await this.ensure(rows);
    const { placement } = this;
    const begins = placement.offsetsOf(rows);
    const out = new Uint8Array(begins[rows.length]!);
    for (let begin = 0, end = 0; begin < rows.length; begin = end) {
      // One read takes as many rows as lie one after the other.
      do end++;
      while (end < rows.length && rows[end] === rows[end - 1]! + 1);
      const [at, count] = [placement.offset(rows[begin]!), begins[end]! - begins[begin]!];
      out.set(await native.readBuffer(this.images.storage.buffer, at, 'u8', count), begins[begin]);
    }
    return out;
  }

  batch(rows: BatchRows, targets: Tensor, recipe: ImageRecipe): Recorded {
    const { index, occurrence, images, weights } = rows;
    const batch = { samples: index, occurrence, targets, weights };
    if (images !== undefined) return recipe.record({ ...batch, data: images, index: everyRow(images) });
    if (!this.placement.own) return recipe.record({ ...batch, data: this.images, index });
    const [, height = 1, width = 1] = this.shape;
    const stored = this.stored();
    const windows = recipe.cut?.(stored, rows);
    const data = windows ?? recordWindow(stored, index, [height, width]);
    return recipe.record({ ...batch, data, index: everyRow(data), cut: windows !== undefined });
  }

  stored(): StoredImages {
    const { largest, channels } = this.placement;
    this.table ??= this.placement.table();
    const sizeOf = (row: number): Size => this.placement.size(row);
    return { data: this.images, table: this.table, largest, channels, sizeOf };
  }

  /** Bytes of an image of the largest height and width. */
  get largestBytes(): number {
    const { largest, channels } = this.placement;
    return largest[0] * largest[1] * channels;
  }

  get ownSizes(): boolean {
    return this.placement.own;
  }

  dispose(): void {
    this.table?.dispose();
    this.images.dispose();
    this.targets.dispose();
  }

  /**
   * One read per row, however many ask for it. A read that failed is tried again when it is asked for again.
   */
  private read(row: number, signal: AbortSignal | undefined): Promise<void> {
    const known = this.reading.get(row);
    if (known !== undefined) {
      known.signals.push(signal);
      return known.done;
    }
    const pending: PendingRead = { done: Promise.resolve(), signals: [signal] };
    this.reading.set(row, pending);
    pending.done = this.reads.run(() => this.readNow(row, pending));
    return pending.done;
  }

  private async readNow(row: number, { signals }: PendingRead): Promise<void> {
    try {
      if (signals.every((signal) => signal?.aborted === true))
        throw new AbortedError('the samples are no longer needed', { cause: signals[0]?.reason });
      const out = new Uint8Array(this.placement.bytesOf(row));
      await this.source!.read(row, out);
      this.put(row, out);
    } finally {
      this.reading.delete(row); // in the same turn as giving up, so that whoever asks from now on gets a new read
    }
  }

  private put(row: number, bytes: Uint8Array): void {
    native.fillBufferNow(this.images.storage.buffer, this.placement.offset(row), bytes);
    this.sums.add(row, bytes);
    this.present[row] = 1;
    if (--this.missing === 0) this.source = undefined;
  }
}

/**
 * Sums of pixels and of their squares, by row and channel: whole numbers, so any subset adds up to
 * the same bits.
 */
class PixelSums {
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;

  constructor(
    rows: number,
    private readonly channels: number,
  ) {
    this.sums = new Float64Array(rows * channels);
    this.squares = new Float64Array(rows * channels);
  }

  /** `bytes` are interleaved. */
  add(row: number, bytes: Uint8Array): void {
    const { channels } = this;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      let square = 0;
      for (let i = c; i < bytes.length; i += channels) {
        const value = bytes[i]!;
        sum += value;
        square += value * value;
      }
      this.sums[row * channels + c] = sum;
      this.squares[row * channels + c] = square;
    }
  }

  /** A channel that never changes gets a deviation of 1, so that dividing by it does no harm. */
  statistics(rows: Int32Array, count: number): ChannelStatistics {
    const mean: number[] = [];
    const std: number[] = [];
    for (let c = 0; c < this.channels; c++) {
      let [sum, square] = [0, 0];
      for (const row of rows) {
        sum += this.sums[row * this.channels + c]!;
        square += this.squares[row * this.channels + c]!;
      }
      const average = sum / count;
      const variance = square / count - average * average;
      mean.push(average / 255);
      std.push(variance > 1e-9 ? Math.sqrt(variance) / 255 : 1);
    }
    return { mean, std };
  }
}

function evenlySpaced(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]!);
}
