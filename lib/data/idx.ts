/**
 * IDX files, the form of MNIST and its relatives: two zero bytes, an element type, a rank, `rank` big-endian
 * 32-bit sizes, then the elements, big-endian, last dimension fastest (http://yann.lecun.com/exdb/mnist).
 * Files may be gzipped; gzip is recognized by content.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { OptionError } from '../errors';
import { checkKeys, oneOf, show } from '../options';
import { writeFileAtomic } from '../files/atomic-file';
import { memoryFor, readLimits, type UnpackLimits } from '../files/limits';
import { malformed } from '../files/errors';
import { Unpacked } from '../files/unpack';
import { inSlices } from './slices';

/** Element types of IDX. */
export type IdxType = 'u8' | 'i8' | 'i16' | 'i32' | 'f32' | 'f64';

interface IdxData {
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly i16: Int16Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
}

/**
 * One array as IDX stores it; `data` has the product of `shape` elements, row-major, in the
 * machine's byte order.
 */
export type IdxArray = {
  [K in IdxType]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: IdxData[K] };
}[IdxType];

const TYPES: Record<IdxType, { code: number; size: number }> = {
  u8: { code: 0x08, size: 1 },
  i8: { code: 0x09, size: 1 },
  i16: { code: 0x0b, size: 2 },
  i32: { code: 0x0c, size: 4 },
  f32: { code: 0x0d, size: 4 },
  f64: { code: 0x0e, size: 8 },
};
const TYPE_NAMES = ['u8', 'i8', 'i16', 'i32', 'f32', 'f64'] as const;

const MAX_RANK = 8;

interface IdxHeader {
  readonly dtype: IdxType;
  readonly shape: number[];
  readonly dataBytes: number;
  readonly totalBytes: number;
}

/** Reads the header, which may belong to a file with nothing after it. */
async function readHeader(name: string, input: Unpacked): Promise<IdxHeader> {
  const magicBytes = new Uint8Array(4);
  if ((await input.fill(magicBytes)) < 4)
    throw malformed(name, `too short for an IDX file: ${input.position} bytes, the magic number takes 4`);
  const magic = new DataView(magicBytes.buffer).getUint32(0);
  const dtype = TYPE_NAMES.find((type) => TYPES[type].code === ((magic >>> 8) & 0xff));
  if (magic >>> 16 !== 0 || dtype === undefined) {
    throw malformed(
      name,
      `not an IDX file: magic number 0x${magic.toString(16).padStart(8, '0')}, expected 0x0000TTRR (type TT 08, 09 or 0b to 0e)`,
    );
  }
  const rank = magic & 0xff;
  if (rank < 1 || rank > MAX_RANK) throw malformed(name, `rank ${rank}, expected 1 to ${MAX_RANK}`);
  const sizes = new Uint8Array(4 * rank);
  const headerBytes = 4 + sizes.length;
  if ((await input.fill(sizes)) < sizes.length)
    throw malformed(name, `truncated header: ${input.position} bytes, rank ${rank} takes ${headerBytes}`);
  const view = new DataView(sizes.buffer);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 * i));
  const dataBytes = shape.reduce((product, size) => product * size, TYPES[dtype].size);
  return { dtype, shape, dataBytes, totalBytes: headerBytes + dataBytes };
}

function describeHeader(header: IdxHeader): string {
  return `the header says ${header.dtype} [${header.shape.join(', ')}], ${header.totalBytes} bytes in all`;
}

/** The elements, in machine order. */
async function readElements(name: string, input: Unpacked, header: IdxHeader): Promise<IdxArray> {
  const { dtype, shape, dataBytes } = header;
  const buffer = memoryFor(name, dataBytes);
  const found = await input.fill(new Uint8Array(buffer));
  if (found < dataBytes)
    throw malformed(name, `truncated: ${describeHeader(header)}, found ${input.position}`);
  const { size } = TYPES[dtype];
  if (size > 1)
    await inSlices(dataBytes / size, size, (begin, end) =>
      toMachineOrder(Buffer.from(buffer, begin * size, (end - begin) * size), size),
    );
  switch (dtype) {
    case 'u8':
      return { dtype, shape, data: new Uint8Array(buffer) };
    case 'i8':
      return { dtype, shape, data: new Int8Array(buffer) };
    case 'i16':
      return { dtype, shape, data: new Int16Array(buffer) };
    case 'i32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'f32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'f64':
      return { dtype, shape, data: new Float64Array(buffer) };
  }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Swaps between big-endian and the machine's order in place; its own inverse. */
function toMachineOrder(bytes: Buffer, size: number): void {
  if (!LITTLE_ENDIAN) return;
  if (size === 2) bytes.swap16();
  if (size === 4) bytes.swap32();
  if (size === 8) bytes.swap64();
}

async function readArray(name: string, input: Unpacked): Promise<IdxArray> {
  try {
    const header = await readHeader(name, input);
    checkSize(name, input, header);
    const array = await readElements(name, input, header);
    if ((await input.skip(1)) > 0)
      throw malformed(name, `trailing bytes: ${describeHeader(header)}, the content is longer`);
    return array;
  } finally {
    await input.close();
  }
}

/** Compares what the header says with what the file can hold, before memory is taken for it. */
function checkSize(name: string, input: Unpacked, header: IdxHeader): void {
  const { gzipped, storedBytes } = input.origin;
  if (header.totalBytes > input.capacity) {
    const problem = gzipped
      ? `${describeHeader(header)}, more than ${storedBytes} gzipped bytes can hold`
      : `truncated: ${describeHeader(header)}, found ${storedBytes}`;
    throw malformed(name, problem);
  }
  input.requireWithin(header.totalBytes);
}

/**
 * Reads IDX content, plain or gzipped.
 * @param content the whole file
 * @param name what to call it in messages
 * @throws FormatError naming what was found and expected, DataError for more than `limits` allow; every size
 *   is checked before memory is taken for it
 */
export async function parseIdx(
  content: Uint8Array,
  name = 'IDX data',
  limits: UnpackLimits = {},
): Promise<IdxArray> {
  return readArray(name, Unpacked.of(name, content, readLimits('parseIdx', limits)));
}

/**
 * Reads an IDX file, plain or gzipped.
 * @throws DataError if there is no such file or it holds more than `limits` allow, FormatError if it is not a
 *   whole IDX file, IoError if it cannot be read
 */
export async function readIdx(file: string, limits: UnpackLimits = {}): Promise<IdxArray> {
  return readArray(file, await Unpacked.open('file', file, readLimits('readIdx', limits)));
}

/**
 * The bytes of an IDX file, not gzipped.
 * @throws OptionError if shape and data disagree
 */
export function encodeIdx(array: IdxArray): Uint8Array {
  const dtype = oneOf('encodeIdx', 'dtype', array.dtype, TYPE_NAMES);
  const { code, size } = TYPES[dtype];
  const { shape, data } = array;
  const valid =
    shape.length >= 1 &&
    shape.length <= MAX_RANK &&
    shape.every((n) => Number.isInteger(n) && n >= 0 && n <= 0xffffffff);
  const count = shape.reduce((product, n) => product * n, 1);
  if (!valid || data.BYTES_PER_ELEMENT !== size || data.length !== count) {
    throw new OptionError(
      `encodeIdx: data of ${data.length} elements of ${data.BYTES_PER_ELEMENT} bytes is not ${dtype} of shape ${show([...shape])}`,
    );
  }
  const headerBytes = 4 + 4 * shape.length;
  const out = Buffer.alloc(headerBytes + data.byteLength);
  out.writeUInt32BE((code << 8) | shape.length, 0);
  shape.forEach((n, i) => out.writeUInt32BE(n, 4 + 4 * i));
  const body = out.subarray(headerBytes);
  body.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  toMachineOrder(body, size);
  return out;
}

/** Options of `writeIdx`. */
export interface WriteIdxOptions {
  /** Compress the file. Default: true where its name ends in `.gz`. */
  readonly gzip?: boolean;
}

/**
 * Writes an IDX file, whole or not at all.
 * @throws OptionError if shape and data disagree, IoError if the system refuses
 */
export async function writeIdx(file: string, array: IdxArray, options: WriteIdxOptions = {}): Promise<void> {
  checkKeys('writeIdx', options, ['gzip']);
  const plain = encodeIdx(array);
  const content = (options.gzip ?? file.endsWith('.gz')) ? await promisify(zlib.gzip)(plain) : plain;
  await writeFileAtomic(file, [content]);
}
