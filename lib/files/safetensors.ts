/**
 * The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes little-endian header length, a
 * JSON header, the data. The reader treats its input as hostile: it checks every length, offset, shape and
 * name before it uses it.
 */
import { FormatError } from '../errors';
import { formatShape } from '../tensor/shape';
import { clip, show } from '../options';

/** Element types of the format that tenon reads and writes. */
export type SafetensorsDType =
  'F64' | 'F32' | 'BF16' | 'F16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL';

const bytesOf: ReadonlyMap<string, number> = new Map<SafetensorsDType, number>([
  ['F64', 8],
  ['I64', 8],
  ['U64', 8],
  ['F32', 4],
  ['I32', 4],
  ['U32', 4],
  ['BF16', 2],
  ['F16', 2],
  ['I16', 2],
  ['U16', 2],
  ['I8', 1],
  ['U8', 1],
  ['BOOL', 1],
]);

/** What a header says of a tensor. */
export interface SafetensorsType {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

export interface SafetensorsEntry extends SafetensorsType {
  /** Little-endian, row-major: product(shape) elements. */
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Whether nobody else holds the bytes, so that they need no copy. Absent: somebody may. */
  readonly owned?: boolean;
}

/** The reference implementation's limit for a header. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * What a header may take unless a caller allows more, because reading one blocks the event loop for up to
 * a second per megabyte. A tensor takes about 100 bytes of it, and so does a layer, so real headers are
 * far below this.
 */
function usualHeaderBytes(dataBytes: number): number {
  return 2 ** 20 + Math.floor(dataBytes / 1024);
}

const maxRank = 32;

/**
 * The file as pieces to be written one after the other: header, then the tensors' bytes in the order of the
 * map. Data begins at a multiple of 8 bytes. The same contents give the same bytes.
 */
export function encodeSafetensors(file: SafetensorsFile): Uint8Array[] {
  for (const [name, { dtype, shape, bytes }] of file.tensors) {
    if (bytes.byteLength !== byteLengthOf({ dtype, shape })) {
      throw new FormatError(
        `safetensors: tensor ${show(name)} of ${dtype} ${formatShape(shape)} cannot hold ${bytes.byteLength} bytes`,
      );
    }
  }
  return [
    encodeHeader(file.tensors, file.metadata),
    ...[...file.tensors.values()].map((entry) => entry.bytes),
  ];
}

function byteLengthOf({ dtype, shape }: SafetensorsType): number {
  return elements(shape) * (bytesOf.get(dtype) ?? NaN);
}

/** What comes before the tensors' bytes, which follow in the order of the map. */
export function encodeHeader(
  tensors: ReadonlyMap<string, SafetensorsType>,
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  // Through entries and Object.fromEntries: a tensor may be called `__proto__` without harm.
  const entries: [string, unknown][] = [];
  if (metadata.size > 0) entries.push(['__metadata__', Object.fromEntries(metadata)]);
  let offset = 0;
  for (const [name, { dtype, shape }] of tensors) {
    if (name === '__metadata__') throw new FormatError(`safetensors: no tensor can be called ${show(name)}`);
    const end = offset + byteLengthOf({ dtype, shape });
    entries.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil((json.byteLength + 8) / 8) * 8;
  const head = new Uint8Array(padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded - 8), true);
  head.set(json, 8);
  return head;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

/**
 * Reads a file's bytes; the entries are views of them.
 * @param where the file's name, for messages
 * @param maxHeaderBytes default 1 MiB and 1/1024 of the bytes behind the header; never more than 100,000,000
 * @throws FormatError naming what is wrong
 */
export function decodeSafetensors(
  where: string,
  bytes: Uint8Array,
  maxHeaderBytes?: number,
): SafetensorsFile {
  const fail = (problem: string, cause?: unknown): never => {
    throw new FormatError(`${clip(where)}: not a safetensors file: ${problem}`, { cause });
  };
  if (bytes.byteLength < 8) fail(`${bytes.byteLength} bytes are too few`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || length > BigInt(bytes.byteLength - 8)) {
    fail(`its header of ${length} bytes does not fit into ${bytes.byteLength} bytes`);
  }
  const begin = 8 + Number(length);
  const most = maxHeaderBytes ?? usualHeaderBytes(bytes.byteLength - begin);
  if (length > BigInt(most))
    fail(`its header of ${length} bytes is longer than ${most} (option maxHeaderBytes)`);
  const header = parseHeader(bytes.subarray(8, begin), fail);
  return readEntries(header, bytes.subarray(begin), fail);
}

type Fail = (problem: string, cause?: unknown) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): [string, unknown][] {
  let text = '';
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    fail('its header is not JSON in UTF-8', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('its header is not an object');
  const repeated = repeatedKey(text);
  if (repeated !== undefined) fail(`its header names ${show(repeated)} twice`);
  return Object.entries(value);
}

/** A key that an object of the (valid) JSON text has twice, which JSON.parse would hide. */
export function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const token = /["{}[\]]/g;
  const colon = /\s*:/y;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const t = match[0];
    if (t === '{') open.push(new Set());
    else if (t === '[') open.push(undefined);
    else if (t === '}' || t === ']') open.pop();
    else {
      const keys = open[open.length - 1];
      // In an object, a string is a key exactly when a colon follows.
      token.lastIndex = colon.lastIndex = stringEnd(text, match.index);
      if (keys === undefined || !colon.test(text)) continue;
      const key = JSON.parse(text.slice(match.index, token.lastIndex)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/**
 * Where the string ends whose opening quote is at `begin` of the (valid) JSON text. By hand: a regular
 * expression that repeats a group overflows its stack on a string of millions of escapes.
 */
function stringEnd(text: string, begin: number): number {
  let at = begin + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function readEntries(header: readonly [string, unknown][], data: Uint8Array, fail: Fail): SafetensorsFile {
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  const ranges: { begin: number; end: number; name: string }[] = [];
  for (const [name, value] of header) {
    if (name === '__metadata__') {
      metadata = readMetadata(value, fail);
      continue;
    }
    const entry = readEntry(name, value, fail);
    if (entry.end > data.byteLength)
      fail(`tensor ${show(name)} ends at byte ${entry.end}, its data has ${data.byteLength}`);
    ranges.push({ begin: entry.begin, end: entry.end, name });
    tensors.set(name, {
      dtype: entry.dtype,
      shape: entry.shape,
      bytes: data.subarray(entry.begin, entry.end),
    });
  }
  checkRanges(ranges, data.byteLength, fail);
  return { tensors, metadata };
}

/** Tensors cover the data without overlaps or holes, as the format demands. */
function checkRanges(
  ranges: { begin: number; end: number; name: string }[],
  total: number,
  fail: Fail,
): void {
  let at = 0;
  for (const { begin, end, name } of ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      fail(
        `tensor ${show(name)} begins at byte ${begin}, expected ${at}: its tensors overlap or leave holes`,
      );
    at = end;
  }
  if (at !== total) fail(`its tensors take ${at} bytes, its data has ${total}`);
}

function readMetadata(value: unknown, fail: Fail): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('its metadata is not an object');
  return new Map(
    Object.entries(value).map(([key, text]: [string, unknown]) =>
      typeof text === 'string' ? [key, text] : fail(`its metadata ${show(key)} is not a string`),
    ),
  );
}

interface Located {
  readonly dtype: SafetensorsDType;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function readEntry(name: string, value: unknown, fail: Fail): Located {
  if (typeof value !== 'object' || value === null)
    return fail(`tensor ${show(name)} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  const size = typeof dtype === 'string' ? bytesOf.get(dtype) : undefined;
  if (size === undefined) return fail(`tensor ${show(name)} has an unknown dtype ${show(dtype)}`);
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every(isCount)) {
    return fail(`tensor ${show(name)} has a bad shape ${show(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return fail(`tensor ${show(name)} has bad offsets ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = elements(shape) * size;
  if (!Number.isSafeInteger(expected) || end - begin !== expected) {
    return fail(
      `tensor ${show(name)} of ${String(dtype)} ${formatShape(shape)} takes ${expected} bytes, its offsets ${end - begin}`,
    );
  }
  return { dtype: dtype as SafetensorsDType, shape, begin, end };
}
