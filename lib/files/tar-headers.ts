/**
 * The headers of tar archives: ustar, PAX (POSIX.1-2001, "pax Interchange Format"), GNU and the form
 * before them. Archives are taken as hostile: each number must be one that a file can have, and each
 * header must be small.
 */

/** Headers, and the content after them, come in blocks of this many bytes. */
export const BLOCK = 512;
/**
 * Most bytes of a PAX header: one with a path of 4,096 bytes and all times takes under 5,000, extended
 * attributes of a file up to 64 KiB each.
 */
const MAX_PAX_BYTES = 1 << 20;
/** Most bytes of a path: file systems take 4,096. */
const MAX_NAME_BYTES = 1 << 16;

/**
 * What follows a header: a file's content, a longer name or PAX records for what comes next, or
 * nothing to read.
 */
export type TarContent = 'file' | 'longName' | 'pax' | 'globalPax' | 'skipped';

/** A header block. */
export interface TarHeader {
  readonly name: string;
  /** Bytes behind the header, before padding. */
  readonly size: number;
  readonly content: TarContent;
}

/** What PAX records say of the file they precede. */
export interface PaxRecords {
  readonly path?: string;
  readonly size?: number;
}

/** What is wrong with a header; the reader adds which archive it is in. */
export class TarProblem extends Error {}

/** Links, devices, directories and pipes have no content, whatever their size field says. */
const WITHOUT_CONTENT = '123456';
const CONTENT: Readonly<Record<string, TarContent>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file', // contiguous, which no system distinguishes from a file any more
  L: 'longName',
  x: 'pax',
  g: 'globalPax',
};

/** Reads a block; undefined where it is all zeros, as at the end of an archive. @throws TarProblem */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  const sum = checksum(block);
  if (sum === 0) return undefined;
  // The sum counts its own field as spaces.
  if (number(block, 148, 8, 'checksum') !== sum - byteSum(block, 148, 156) + 8 * 0x20)
    throw new TarProblem('a header has the wrong checksum: this is not a tar archive, or it is damaged');
  const type = String.fromCharCode(block[156]!);
  if (type === 'S') throw new TarProblem('a sparse file in the form of old GNU tar, which is not supported');
  const prefix = isUstar(block) ? text(block, 345, 155) : '';
  const name = prefix === '' ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`;
  const size = WITHOUT_CONTENT.includes(type) ? 0 : number(block, 124, 12, 'size');
  // Before directories had a type, their name marked them.
  const content = type === '\0' && name.endsWith('/') ? 'skipped' : (CONTENT[type] ?? 'skipped');
  requireSmall(content, size);
  return { name, size, content };
}

function requireSmall(content: TarContent, size: number): void {
  const most = content === 'longName' ? MAX_NAME_BYTES : MAX_PAX_BYTES;
  const isHeader = content === 'longName' || content === 'pax' || content === 'globalPax';
  if (isHeader && size > most) throw new TarProblem(`a header of ${size} bytes, expected at most ${most}`);
}

function checksum(block: Uint8Array): number {
  return byteSum(block, 0, block.length);
}

function byteSum(block: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += block[i]!;
  return sum;
}

function isUstar(block: Uint8Array): boolean {
  return Buffer.from(block.buffer, block.byteOffset + 257, 6).toString('latin1') === 'ustar\0';
}

/** A text field, up to its first zero. */
function text(block: Uint8Array, at: number, length: number): string {
  const field = Buffer.from(block.buffer, block.byteOffset + at, length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

/**
 * A number field: octal digits, or GNU's binary form, which the top bit of the first byte tells. Empty
 * is 0.
 * @throws TarProblem
 */
function number(block: Uint8Array, at: number, length: number, name: string): number {
  const field = block.subarray(at, at + length);
  if (field[0]! >= 0x80) return binaryNumber(field, name);
  const digits = text(block, at, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new TarProblem(`a header's ${name} is not a number`);
  return safe(digits === '' ? 0 : parseInt(digits, 8), name);
}

/** Two's complement, most significant byte first, in all bits but the top one. */
function binaryNumber(field: Uint8Array, name: string): number {
  if ((field[0]! & 0x40) !== 0) throw new TarProblem(`a header's ${name} is negative`);
  let value = field[0]! & 0x3f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return safe(value, name);
}

function safe(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) throw new TarProblem(`a header's ${name} is more than 2^53 - 1`);
  return value;
}

/** The name in a GNU long name's content. */
export function parseLongName(content: Uint8Array): string {
  return text(content, 0, content.length);
}

/**
 * Reads PAX records, each `LENGTH KEY=VALUE\n` with the length of the whole record in decimal digits; if a
 * key comes twice, the last one counts.
 * @throws TarProblem
 */
export function parsePax(content: Uint8Array): PaxRecords {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.length;) {
    const { value, end } = paxRecord(bytes, at);
    if (startsWith(bytes, value, 'path=')) found.path = bytes.toString('utf8', value + 5, end - 1);
    else if (startsWith(bytes, value, 'size='))
      found.size = paxSize(bytes.toString('latin1', value + 5, end - 1));
    at = end;
  }
  if (Buffer.byteLength(found.path ?? '') > MAX_NAME_BYTES)
    throw new TarProblem(`a path of more than ${MAX_NAME_BYTES} bytes`);
  return found;
}

/** Where the record at `at` has its key, and where it ends. */
function paxRecord(bytes: Buffer, at: number): { value: number; end: number } {
  let length = 0;
  let value = at;
  for (; value < at + 8 && bytes[value]! >= 0x30 && bytes[value]! <= 0x39; value++)
    length = length * 10 + bytes[value]! - 0x30;
  const end = at + length;
  if (bytes[value] !== 0x20 || end <= value + 1 || end > bytes.length || bytes[end - 1] !== 0x0a)
    throw new TarProblem('a damaged PAX record');
  return { value: value + 1, end };
}

function startsWith(bytes: Buffer, at: number, key: string): boolean {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key.charCodeAt(i)) return false;
  return true;
}

function paxSize(digits: string): number {
  if (!/^\d{1,20}$/.test(digits)) throw new TarProblem("a PAX record's size is not a number");
  return safe(Number(digits), 'size');
}
