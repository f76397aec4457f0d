/** Where images lie in one buffer, one after the other: all of one size, or each of its own. */
import { zeros, type PersistentTensor } from '../tensor/tensor';
import type { Size } from './samples';
import type { ImageSource } from './source';

type Form = Pick<ImageSource, 'length' | 'height' | 'width' | 'channels' | 'sizes'>;

export class Placement {
  readonly length: number;
  readonly channels: number;
  /** The largest height and the largest width. */
  readonly largest: Size;
  /** Bytes of all images. */
  readonly bytes: number;
  private readonly sizes: Int32Array | undefined;
  /** Where each image begins; absent where all are of one size. */
  private readonly offsets: Float64Array | undefined;

  constructor({ length, height, width, channels, sizes }: Form) {
    this.length = length;
    this.channels = channels;
    this.sizes = sizes;
    if (sizes === undefined) {
      this.largest = [height, width];
      this.bytes = length * height * width * channels;
      return;
    }
    this.offsets = new Float64Array(length);
    const largest: [number, number] = [0, 0];
    let bytes = 0;
    for (let row = 0; row < length; row++) {
      const [h, w] = [sizes[2 * row]!, sizes[2 * row + 1]!];
      this.offsets[row] = bytes;
      bytes += h * w * channels;
      largest[0] = Math.max(largest[0], h);
      largest[1] = Math.max(largest[1], w);
    }
    this.largest = largest;
    this.bytes = bytes;
  }

  /** Whether images have sizes of their own. */
  get own(): boolean {
    return this.sizes !== undefined;
  }

  size(row: number): Size {
    const { sizes } = this;
    return sizes === undefined ? this.largest : [sizes[2 * row]!, sizes[2 * row + 1]!];
  }

  /** Bytes of an image. */
  bytesOf(row: number): number {
    const [height, width] = this.size(row);
    return height * width * this.channels;
  }

  /** Where an image begins. */
  offset(row: number): number {
    return this.offsets?.[row] ?? row * this.bytesOf(row);
  }

  /** Where each of these rows begins if they lie one after the other, and last, where they end. */
  offsetsOf(rows: Int32Array): Float64Array {
    const begins = new Float64Array(rows.length + 1);
    for (let i = 0; i < rows.length; i++) begins[i + 1] = begins[i]! + this.bytesOf(rows[i]!);
    return begins;
  }

  /** Offset, height and width of each image, f64 [N, 3], as `ops.resampleImages` takes them. */
  table(): PersistentTensor {
    const table = zeros([this.length, 3], 'f64');
    const rows = new Float64Array(this.length * 3);
    for (let row = 0; row < this.length; row++) rows.set([this.offset(row), ...this.size(row)], row * 3);
    table.storage.fill(rows);
    return table;
  }
}
