/** Numbers of a file as typed arrays: byte order, alignment, half precision. */
import { types } from 'node:util';
import { DTypeError } from '../errors';
import { clip } from '../options';
import type { AnyArray } from '../native';
import type { SafetensorsEntry } from './safetensors';

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A copy in memory of its own, aligned and in the machine's byte order. */
function nativeOrder(bytes: Uint8Array, size: number): ArrayBuffer {
  // Not slice(): a Buffer's would be a view.
  const copy = new Uint8Array(bytes);
  if (!littleEndian) for (let i = 0; i < copy.length; i += size) copy.subarray(i, i + size).reverse();
  return copy.buffer;
}

/** The bytes of an array in the file's byte order. */
export function toBytes(array: AnyArray): Uint8Array {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return littleEndian ? bytes : new Uint8Array(nativeOrder(bytes, array.BYTES_PER_ELEMENT));
}

/** An array of numbers as f32: itself if it is one. */
export function asFloats(values: AnyArray): Float32Array {
  // Not instanceof, which does not know the arrays of another realm.
  return types.isFloat32Array(values) ? values : Float32Array.from(values);
}

/** As nativeOrder, but a view of the bytes where they are aligned and in order. */
function floatsIn(bytes: Uint8Array): Float32Array {
  const isReady = littleEndian && bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  return isReady
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT)
    : new Float32Array(nativeOrder(bytes, 4));
}

/** IEEE 754 binary16. */
function halfToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function brainToNumbers(words: Uint16Array): Float32Array {
  const wide = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) wide[i] = words[i]! << 16;
  return new Float32Array(wide.buffer);
}

/**
 * An entry's numbers as f32: F32 as they are, F64 rounded, F16 and BF16 widened. They are a copy, which holds
 * the event loop for up to a second per gigabyte, unless the bytes are `owned`: nobody else holds them.
 * @throws DTypeError for integers
 */
export function toFloats(
  name: string,
  { dtype, bytes }: SafetensorsEntry,
  { owned = false }: { readonly owned?: boolean } = {},
): Float32Array {
  switch (dtype) {
    case 'F32':
      return owned ? floatsIn(bytes) : new Float32Array(nativeOrder(bytes, 4));
    case 'F64':
      return Float32Array.from(new Float64Array(nativeOrder(bytes, 8)));
    case 'F16':
      return Float32Array.from(new Uint16Array(nativeOrder(bytes, 2)), halfToNumber);
    case 'BF16':
      return brainToNumbers(new Uint16Array(nativeOrder(bytes, 2)));
    default:
      throw new DTypeError(`tensor '${clip(name)}': expected floating-point numbers, the file has ${dtype}`);
  }
}
