/** Where images come from before they are packed, and what the readers of all forms share. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { DataError, FormatError, IoError, TenonError } from '../errors';
import { clip, problemOf, show } from '../options';
import type { ResizeRule } from './decode';

/** A labelled set of images of one size. Samples are uint8 H,W,C (interleaved), as decoded. */
export interface ImageSource {
  /** Number of samples, at least 1. */
  readonly length: number;
  /** Height in pixels of every sample, after the resize rule. */
  readonly height: number;
  /** Width in pixels of every sample, after the resize rule. */
  readonly width: number;
  /** The rule that images of other sizes are brought to this one by; absent where all must have it. */
  readonly resize?: ResizeRule;
  /** Values per pixel, 1 (grey) or 3 (R,G,B) for decoded images. */
  readonly channels: number;
  /** Class `i` is called `classNames[i]`. */
  readonly classNames: readonly string[];
  /** Class index of each sample, checked against `classNames.length` when the source was made. */
  readonly labels: Int32Array;
  /** True where all samples are in memory already, so that reading one decodes nothing. */
  readonly eager: boolean;
  /** Of eager sources that hold them in one array: all samples, length * H * W * C bytes. */
  readonly bytes?: Uint8Array;
  /**
   * Writes sample `index` (H*W*C bytes) into `out`. Eager sources return nothing, decoding ones a promise.
   * @throws DataError for an index or `out` that does not fit, or an image of the wrong size; FormatError for a corrupt image
   */
  read(index: number, out: Uint8Array): void | Promise<void>;
  /** The file of each sample, where each has one. */
  readonly names?: readonly string[];
  /** What sample `index` is called in messages: its file, or its place. */
  describe(index: number): string;
}

/** What an eager source is made of. */
export interface EagerParts {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly bytes: Uint8Array;
}

/**
 * Makes a source of samples that are in memory.
 * @param where who makes it, for messages: a file or a function name
 * @throws DataError where there are no samples, sizes disagree, or a label is out of range
 */
export function eagerSource(where: string, parts: EagerParts): ImageSource {
  const { height, width, channels, labels, bytes } = parts;
  const length = labels.length;
  const sampleBytes = height * width * channels;
  if (length === 0) throw new DataError(`${where}: no samples`);
  if (bytes.length !== length * sampleBytes) {
    throw new DataError(
      `${where}: ${length} samples of ${height}x${width}x${channels} take ${length * sampleBytes} bytes, got ${bytes.length}`,
    );
  }
  const classNames = Object.freeze([...parts.classNames]);
  checkLabels(where, labels, classNames.length);
  const form = { length, height, width, channels };
  return {
    ...form,
    classNames,
    labels,
    bytes,
    eager: true,
    read(index, out) {
      checkRead(where, form, index, out);
      out.set(bytes.subarray(index * sampleBytes, (index + 1) * sampleBytes));
    },
    describe: (index) => `${where} sample ${index}`,
  };
}

/** @throws DataError naming the first label outside [0, classes) */
export function checkLabels(where: string, labels: Int32Array, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] ?? -1;
    if (label < 0 || label >= classes) {
      throw new DataError(
        `${where}: label ${label} of sample ${i} is out of range, there are ${classes} classes (0 to ${classes - 1})`,
      );
    }
  }
}

/** Checks the arguments of `ImageSource.read`. @throws DataError */
export function checkRead(
  where: string,
  source: Pick<ImageSource, 'length' | 'height' | 'width' | 'channels'>,
  index: number,
  out: Uint8Array,
): void {
  if (!Number.isInteger(index) || index < 0 || index >= source.length) {
    throw new DataError(`${where}: sample ${show(index)} does not exist, there are ${source.length}`);
  }
  const expected = source.height * source.width * source.channels;
  if (out.length !== expected)
    throw new DataError(`${where}: a sample takes ${expected} bytes, out holds ${out.length}`);
}

/** The class names '0', '1', ... for data that has none of its own. */
export function numberedClasses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a file system error into DataError (the path does not exist) or IoError (the system refused). */
export function fileError(what: string, path: string, error: unknown): TenonError {
  if (error instanceof TenonError) return error;
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new DataError(`${what} ${clip(path)} does not exist`, { cause: error });
  return new IoError(`${what} ${clip(path)} cannot be read: ${problemOf(error)}`, { cause: error });
}

/** Node reads no more than 2 GiB at a time. */
const LARGEST_READ = 2 ** 30;

/** Most bytes of what has no size, such as a pipe: a device may never end. */
const LARGEST_PIPE = 2 ** 30;

/**
 * Reads a whole file, also one that Node's readFile would refuse, or a pipe of up to 1 GiB.
 * @throws DataError if it does not exist, IoError if it cannot be read or does not end
 */
export async function readWhole(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    return await readToEnd(file);
  } catch (error) {
    throw fileError('file', path, error);
  } finally {
    await file?.close();
  }
}

async function readToEnd(file: FileHandle): Promise<Buffer> {
  const status = await file.stat();
  if (!status.isFile()) return readPipe(file);
  const bytes = Buffer.allocUnsafeSlow(status.size);
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, LARGEST_READ));
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

async function readPipe(file: FileHandle): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  // Not closed at its end: whoever opened it does that.
  for await (const piece of file.createReadStream({ highWaterMark: 2 ** 20, autoClose: false })) {
    pieces.push(piece as Uint8Array);
    size += (piece as Uint8Array).length;
    if (size > LARGEST_PIPE)
      throw new Error(`it is not a regular file, and holds more than ${LARGEST_PIPE} bytes`);
  }
  return Buffer.concat(pieces);
}

/** Size of a file in bytes. @throws DataError if it does not exist, IoError if it is not a regular file or the system refuses */
export async function fileSize(path: string): Promise<number> {
  const status = await stat(path).catch((error: unknown) => {
    throw fileError('file', path, error);
  });
  if (!status.isFile()) throw new IoError(`file ${clip(path)} cannot be read: it is not a regular file`);
  return status.size;
}

/** What is at `path`: a directory, a file, or nothing. @throws IoError if the system refuses to say */
export async function pathKind(path: string): Promise<'directory' | 'file' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    const failure = fileError('path', path, error);
    if (failure instanceof IoError) throw failure;
    return 'nothing';
  }
}

/** @throws DataError naming `dir` if it is not an existing directory */
export async function requireDirectory(where: string, dir: string): Promise<void> {
  const kind = await pathKind(dir);
  if (kind === 'nothing') throw new DataError(`${where}: directory ${clip(dir)} does not exist`);
  if (kind === 'file') throw new DataError(`${where}: ${clip(dir)} is a file, expected a directory`);
}

/** True where `bytes` starts as a gzip member does (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** A FormatError in the one form all readers use: file, what is wrong. */
export function malformed(file: string, problem: string, cause?: unknown): FormatError {
  return new FormatError(`${clip(file)}: ${problem}`, { cause });
}
