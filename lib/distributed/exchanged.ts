/** Native memory for one exchange: filled from arrays, read back into one, and freed. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DataError } from '../errors';
import {
  allocate,
  disposeBuffer,
  fillBufferNow,
  readBuffer,
  type AnyArray,
  type DType,
  type NativeBuffer,
} from '../native';
import { typedArrayTag } from '../native/typed-array';
import { show } from '../options';

/** Bytes copied in one turn of the event loop. */
const SLICE = 2 << 20;

const DTYPES: Readonly<Record<string, DType>> = {
  Float32Array: 'f32',
  Float64Array: 'f64',
  Int32Array: 'i32',
  Uint16Array: 'bf16',
  Uint8Array: 'u8',
  Uint8ClampedArray: 'u8',
};

function dtypeOf(where: string, values: unknown): DType {
  const dtype = DTYPES[typedArrayTag(values) ?? ''];
  if (!dtype) throw new DataError(`${where}: expected a typed array, got ${show(values)}`);
  return dtype;
}

/** The memory of an array. @throws DataError for anything but an array of a known type */
export function bytesOf(where: string, values: AnyArray): Uint8Array {
  dtypeOf(where, values);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export class Exchanged {
  private readonly buffer: NativeBuffer;

  constructor(
    private readonly where: string,
    byteLength: number,
  ) {
    this.buffer = allocate(byteLength);
  }

  /** Calls `body` and frees the memory afterwards; an exchange that still runs keeps it. */
  async use<T>(body: (buffer: NativeBuffer) => Promise<T>): Promise<T> {
    try {
      return await body(this.buffer);
    } finally {
      disposeBuffer(this.buffer);
    }
  }

  async fill(byteOffset: number, bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.byteLength; from += SLICE) {
      if (from > 0) await nextTurn();
      fillBufferNow(this.buffer, byteOffset + from, bytes.subarray(from, from + SLICE));
    }
  }

  /** The first values, in an array like the given one. */
  async read<T extends AnyArray>(like: T): Promise<T> {
    const read = await readBuffer(this.buffer, 0, dtypeOf(this.where, like), like.length);
    return (typedArrayTag(like) === 'Uint8ClampedArray' ? new Uint8ClampedArray(read.buffer) : read) as T;
  }
}
