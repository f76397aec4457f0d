/** The bytes of a journal: read from an offset on, a portion at a time, and appended for good. */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError, FormatError, IoError } from '../../errors';
import { syncDirectory } from '../../files/atomic-file';
import { fileError, systemCode } from '../../files/errors';
import { clip, problemOf } from '../../options';
import { CHUNK, LARGEST_LOG, LONGEST_OPERATION } from './limits';
import type { Operation } from './operation';
import { parseOperation } from './read-operation';

/** A place between two lines. */
export interface Place {
  readonly line: number;
  readonly offset: number;
}

/** Whole lines from a place on, as many as there are at most within `most`, and the place behind them. */
export async function readLines(
  path: string,
  from: Place,
  most: number,
): Promise<{ readonly operations: Operation[]; readonly end: Place }> {
  const file = await openFile(path, 'r');
  try {
    return await new LineReader(path, file, from).read(most);
  } finally {
    await file.close();
  }
}

class LineReader {
  private readonly operations: Operation[] = [];
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private place: Place,
  ) {}

  async read(most: number): Promise<{ readonly operations: Operation[]; readonly end: Place }> {
    const { size } = await this.file.stat();
    if (size > LARGEST_LOG)
      throw new FormatError(
        `${clip(this.path)} has ${size} bytes, more than a journal may have, ${LARGEST_LOG}`,
      );
    if (size < this.place.offset)
      throw new FormatError(`${clip(this.path)} is shorter than it was: somebody has cut it off`);
    let at = this.place.offset;
    while (at < size && this.operations.length < most) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const { bytesRead } = await this.file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      this.take(chunk.subarray(0, bytesRead), most);
    }
    return { operations: this.operations, end: this.place };
  }

  private take(chunk: Buffer, most: number): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.operations.length < most) {
      const end = bytes.indexOf(0x0a);
      if (end < 0 || end > LONGEST_OPERATION) {
        if (bytes.length > LONGEST_OPERATION)
          throw new FormatError(`${this.where()} has more than ${LONGEST_OPERATION} bytes`);
        break;
      }
      this.operations.push(this.parse(bytes.subarray(0, end)));
      this.place = { line: this.place.line + 1, offset: this.place.offset + end + 1 };
      bytes = bytes.subarray(end + 1);
    }
    this.rest = bytes;
  }

  private parse(line: Buffer): Operation {
    return parseOperation(this.where(), () =>
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line),
    );
  }

  private where(): string {
    return `${clip(this.path)}, line ${this.place.line + 1}`;
  }
}

async function openFile(path: string, flags: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, flags);
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file?.close();
    throw fileError('journal', path, error);
  }
  await file.close();
  throw new DataError(`journal ${clip(path)} is not a regular file`);
}

/** Makes an empty file where there is none, for good. @throws IoError */
export async function makeFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx');
    await file.close();
    await syncDirectory(dirname(path));
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    throw new IoError(`journal ${clip(path)} cannot be made: ${problemOf(error)}`, { cause: error });
  }
}

/** Cuts off what follows the last whole line: a write that never came to its end. Only under the lock. */
export async function cutTorn(path: string, end: Place): Promise<void> {
  const file = await openFile(path, 'r+');
  try {
    if ((await file.stat()).size > end.offset) await file.truncate(end.offset);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await file.close();
  }
}

/**
 * Appends bytes at the end of a file of this size, and syncs it. What a failure has written is cut off again.
 * @throws IoError
 */
export async function appendBytes(path: string, size: number, bytes: Buffer): Promise<void> {
  const file = await openFile(path, 'r+');
  try {
    for (let at = 0; at < bytes.length;)
      at += (await file.write(bytes, at, bytes.length - at, size + at)).bytesWritten;
    await file.sync();
  } catch (error) {
    await file.truncate(size).catch(() => undefined);
    throw writeError(path, error);
  } finally {
    await file.close();
  }
}

function writeError(path: string, error: unknown): IoError {
  const problem = systemCode(error) === 'ENOSPC' ? 'the disk is full' : problemOf(error);
  return new IoError(`journal ${clip(path)} cannot be written: ${problem}`, { cause: error });
}
