/** Element types, and which typed array carries each of them. */
import { DataError, DTypeError, ShapeError } from '../errors';
import { DTYPE_BYTES, type AnyArray, type DType, type Target } from '../native';

export type { AnyArray, DType, Target };

/**
 * How a program computes: all in f32, or activations and their gradients stored as bf16 with
 * arithmetic in f32.
 */
export const PRECISIONS = ['fp32', 'bf16'] as const;
/** How a program stores activations: as f32, or as bf16 where ops allow it. */
export type Precision = (typeof PRECISIONS)[number];

/** The type memory really has: on the reference target, f32 values are kept as f64. */
export function storedDType(dtype: DType, target: Target): DType {
  return target === 'ref' && dtype === 'f32' ? 'f64' : dtype;
}

export function bytesPerElement(dtype: DType, target: Target): number {
  return DTYPE_BYTES[storedDType(dtype, target)];
}

/**
 * Recognizes typed arrays by their tag, not by `instanceof`, which fails for arrays of another
 * realm (jest, vm).
 */
function tagOf(view: unknown): string {
  return Object.prototype.toString.call(view).slice(8, -1);
}

const dtypeOfTag: Partial<Record<string, DType>> = {
  Float32Array: 'f32',
  Float64Array: 'f32',
  Uint8Array: 'u8',
  Uint8ClampedArray: 'u8',
  Int32Array: 'i32',
};

/** The dtype a typed array naturally becomes. Float64Array becomes f32, the library's working precision. */
export function dtypeOf(where: string, data: ArrayBufferView): DType {
  const dtype = dtypeOfTag[tagOf(data)];
  if (dtype === undefined) {
    throw new DTypeError(
      `${where}: expected a Float32Array, Float64Array, Int32Array, Uint8Array or Uint8ClampedArray, got ${tagOf(data)}`,
    );
  }
  return dtype;
}

/** A new array of `n` elements that can carry `dtype` on `target`. */
export function arrayFor(dtype: DType, n: number, target: Target = 'native'): AnyArray {
  switch (storedDType(dtype, target)) {
    case 'f32':
      return new Float32Array(n);
    case 'f64':
      return new Float64Array(n);
    case 'i32':
      return new Int32Array(n);
    case 'bf16':
      return new Uint16Array(n);
    case 'u8':
      return new Uint8Array(n);
  }
}

/**
 * @throws DataError for a typed array whose memory was given away (`postMessage`, `transfer`): it only looks
 *   empty
 */
export function checkAttached(where: string, data: ArrayBufferView | readonly number[]): void {
  if (!ArrayBuffer.isView(data) || data.byteLength > 0) return;
  try {
    new Uint8Array(data.buffer); // throws for a detached buffer; Node 20 lacks ArrayBuffer.detached
  } catch (cause) {
    throw new DataError(`${where}: the array is detached; its memory was given away`, { cause });
  }
}

/**
 * Copies numbers into a new array of the stored type. Throws ShapeError when the count is wrong,
 * DTypeError on loss.
 */
export function toArray(
  where: string,
  data: AnyArray | readonly number[],
  dtype: DType,
  n: number,
  target: Target,
): AnyArray {
  checkAttached(where, data);
  if (data.length !== n) throw new ShapeError(`${where}: expected ${n} elements, got ${data.length}`);
  const out = arrayFor(dtype, n, target);
  if (dtype === 'i32' || dtype === 'u8') checkIntegers(where, data, dtype);
  out.set(data);
  return out;
}

function checkIntegers(where: string, data: ArrayLike<number>, dtype: DType): void {
  const [low, high] = dtype === 'u8' ? [0, 255] : [-(2 ** 31), 2 ** 31 - 1];
  for (let i = 0; i < data.length; i++) {
    const v = data[i]!;
    if (!Number.isInteger(v) || v < low || v > high) {
      throw new DTypeError(`${where}: element ${i} is ${v}, which ${dtype} cannot hold`);
    }
  }
}
