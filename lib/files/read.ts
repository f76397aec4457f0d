/**
 * Reading files, and asking what is there. Every failure is a DataError or an IoError that names the path.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { DataError, IoError } from '../errors';
import { clip } from '../options';
import { fileError } from './errors';

/** Node reads no more than 2 GiB at a time. */
const LARGEST_READ = 2 ** 30;

/** The most bytes to read from what has no size, such as a pipe: a device may never end. */
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

/**
 * Size of a file in bytes.
 * @throws DataError if it does not exist, IoError if it is not a regular file or the system refuses
 */
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

/**
 * Reads a regular file. A device or a pipe, which may never end, is refused.
 * @throws DataError if it does not exist, IoError if it is not a regular file or cannot be read
 */
export async function readRegular(path: string): Promise<Uint8Array> {
  await fileSize(path);
  return readWhole(path);
}

/** The text of a regular file in UTF-8. @throws as readRegular */
export async function readText(path: string): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await readRegular(path));
}

/**
 * SHA-256 of a file, in hexadecimal; read in pieces, so the event loop stays free.
 * @throws DataError if it does not exist, IoError if it cannot be read
 */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw fileError('file', path, error);
  }
  return hash.digest('hex');
}
