/**
 * Memory that outlives programs: parameters, optimizer state, statistics, data sets. Programs update
 * it in place.
 */
import { DisposedError } from '../errors';
import * as native from '../native';
import type { AnyArray, DType, NativeBuffer, Target } from '../native';
import { bytesPerElement, storedDType } from './dtype';
import { toLogicalOrder, toLogicalOrderSync, toPhysicalOrder, toPhysicalOrderSync } from './layout';
import { isLayoutTrivial, numel, type Shape } from './shape';
import { defaultTarget } from './target';

let nextId = 1;

/** Few enough that no copy of them keeps the event loop for long. */
const PIECE_BYTES = 2 ** 20;

export class Storage {
  readonly id = nextId++;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly target: Target;
  readonly byteLength: number;
  /** Counts writes. A recipe that read an older version refuses to run (StaleTensorError). */
  version = 0;
  private handle: NativeBuffer | undefined;

  /** Zeroed memory for `shape`. */
  constructor(shape: Shape, dtype: DType, target: Target = defaultTarget()) {
    this.shape = shape;
    this.dtype = dtype;
    this.target = target;
    this.byteLength = numel(shape) * bytesPerElement(dtype, target);
    this.handle = native.allocate(this.byteLength);
  }

  get buffer(): NativeBuffer {
    if (this.handle === undefined) throw new DisposedError('this tensor was disposed; its memory is gone');
    return this.handle;
  }

  get disposed(): boolean {
    return this.handle === undefined;
  }

  /**
   * Replaces the contents; `data` is in logical order and of the stored type, not to be changed meanwhile.
   * Lands in queue order.
   */
  async write(data: AnyArray): Promise<void> {
    this.version++;
    await native.writeBuffer(this.buffer, 0, await toPhysicalOrder(data, this.shape));
  }

  /**
   * Fills memory that no program has yet, at once. Unlike `writeSync`, it does not wait for what is running.
   */
  fill(data: AnyArray): void {
    const { buffer, byteOffset, byteLength } = toPhysicalOrderSync(data, this.shape);
    native.fillBufferNow(this.buffer, 0, new Uint8Array(buffer, byteOffset, byteLength));
  }

  writeSync(data: AnyArray): void {
    this.version++;
    native.writeBufferSync(this.buffer, 0, toPhysicalOrderSync(data, this.shape));
  }

  /** A copy in logical order, taken after the programs that were queued before. */
  async read(): Promise<AnyArray> {
    const stored = storedDType(this.dtype, this.target);
    return toLogicalOrder(await native.readBuffer(this.buffer, 0, stored, numel(this.shape)), this.shape);
  }

  /**
   * As `read`, in pieces of a megabyte or two, the first rows first. Each is taken after the programs
   * that were queued before it was asked for, so nothing may be queued meanwhile that writes this
   * memory: see `version`.
   */
  async *pieces(): AsyncGenerator<AnyArray> {
    const stored = storedDType(this.dtype, this.target);
    // In both orders, a row is one run of numbers.
    const [rows, ...row] = isLayoutTrivial(this.shape) ? [numel(this.shape)] : this.shape;
    const numbers = numel(row);
    const bytes = numbers * bytesPerElement(this.dtype, this.target);
    const most = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, bytes)));
    for (let at = 0; at < rows!; at += most) {
      const count = Math.min(most, rows! - at);
      const piece = await native.readBuffer(this.buffer, at * bytes, stored, count * numbers);
      yield await toLogicalOrder(piece, [count, ...row]);
    }
  }

  readSync(): AnyArray {
    const stored = storedDType(this.dtype, this.target);
    return toLogicalOrderSync(native.readBufferSync(this.buffer, 0, stored, numel(this.shape)), this.shape);
  }

  dispose(): void {
    if (this.handle !== undefined) native.disposeBuffer(this.handle);
    this.handle = undefined;
  }
}
