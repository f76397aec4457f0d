/**
 * Reading tar archives, plain or gzipped, entry by entry, without unpacking to disk (so a path like `../../etc/passwd` in an archive
 * is only a name). Archives are taken as hostile: sizes are bounded by what was really read, never by what a header says.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { DataError, IoError, TenonError } from '../errors';
import { checkKeys, clip, positiveInteger, problemOf } from '../options';
import { fileError, isGzip, malformed, systemCode } from './source';

/** One regular file of an archive. */
export interface TarEntry {
  /** The path as stored, without a leading `./`. */
  readonly path: string;
  /** The content, in memory of its own. */
  readonly bytes: Uint8Array;
}

/** Options of `readTar`. */
export interface ReadTarOptions {
  /** Most bytes the archive may take once ungzipped, everything in it counted. Default 4 GiB. */
  readonly maxBytes?: number;
  /** Which paths to read; others are passed over. Default all. What it throws is passed on as it is. */
  readonly filter?: (path: string) => boolean;
}

const DEFAULT_MAX_BYTES = 4 * 2 ** 30;
const BLOCK = 512;

/**
 * Yields the regular files of a `.tar`, `.tar.gz` or `.tgz` archive in archive order; gzip is told by content.
 * @throws DataError if there is no such file or it unpacks to more than `maxBytes`, FormatError if it is truncated, corrupt or no
 *   archive, IoError if it cannot be read
 */
export async function* readTar(
  file: string,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  checkKeys('readTar', options, ['maxBytes', 'filter']);
  const maxBytes = positiveInteger('readTar', 'maxBytes', options.maxBytes ?? DEFAULT_MAX_BYTES);
  const filter = options.filter ?? (() => true);
  const archive = await openArchive(file);
  const guard = new Guard(file, maxBytes);
  const extractor = extract();
  const abort = new AbortController();
  const feeding = feed(archive, guard, extractor, abort.signal);
  feeding.catch(() => undefined); // awaited below; until then a failure must not count as unhandled
  try {
    for await (const entry of extractor) {
      const path = entry.header.name.replace(/^(\.\/)+/, '');
      const regular = entry.header.type === 'file' || entry.header.type === 'contiguous-file';
      if (regular && wanted(path, filter)) yield { path, bytes: await collect(entry) };
      else entry.resume();
    }
    await feeding;
    guard.checkEnd();
  } catch (error) {
    if (error instanceof FilterFailure) throw error.cause;
    // The extractor may report "premature close" where the cause is the gunzip or the guard: the feeding side knows better.
    const cause = await feeding.then(
      () => error,
      (first: unknown) => first,
    );
    throw describeFailure(file, cause);
  } finally {
    abort.abort();
    extractor.destroy();
  }
}

/** Tells what the caller's filter threw from what streams report. */
class FilterFailure extends Error {}

function wanted(path: string, filter: (path: string) => boolean): boolean {
  try {
    return filter(path);
  } catch (cause) {
    throw new FilterFailure('filter', { cause });
  }
}

interface OpenArchive {
  readonly handle: FileHandle;
  readonly gzipped: boolean;
}

/** Opens the file and looks at its first two bytes. @throws as `readTar` where it is missing, empty or unreadable */
async function openArchive(file: string): Promise<OpenArchive> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    if (bytesRead === 0) throw malformed(file, 'empty file, expected a tar archive');
    return { handle, gzipped: isGzip(buffer) };
  } catch (error) {
    await handle?.close();
    throw fileError('archive', file, error);
  }
}

/** Pumps the archive through the guard. Opens nothing: a failure before the pipeline runs would leave the extractor waiting for ever. */
async function feed(
  { handle, gzipped }: OpenArchive,
  guard: Guard,
  extractor: ReturnType<typeof extract>,
  signal: AbortSignal,
): Promise<void> {
  const input = handle.createReadStream({ highWaterMark: 1 << 18 }); // closes the handle when it ends or is destroyed
  if (gzipped) await pipeline(input, createGunzip({ chunkSize: 1 << 16 }), guard, extractor, { signal });
  else await pipeline(input, guard, extractor, { signal });
}

/** Copies an entry's content together: its chunks are views of much larger ones that would stay alive with them. */
async function collect(entry: AsyncIterable<unknown>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk as Uint8Array);
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Watches the ungzipped bytes go by: bounds their number and remembers how they end. */
class Guard extends Transform {
  private seen = 0;
  private zerosAtEnd = 0;

  constructor(
    private readonly file: string,
    private readonly maxBytes: number,
  ) {
    super();
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk?: Buffer) => void,
  ): void {
    this.seen += chunk.length;
    if (this.seen > this.maxBytes) {
      done(
        new DataError(`${clip(this.file)}: unpacks to more than ${this.maxBytes} bytes (option maxBytes)`),
      );
      return;
    }
    let zeros = 0;
    while (zeros < chunk.length && zeros < BLOCK && chunk[chunk.length - 1 - zeros] === 0) zeros++;
    this.zerosAtEnd = zeros === chunk.length ? this.zerosAtEnd + zeros : zeros;
    done(null, chunk);
  }

  /** An archive cut off between two entries looks whole but for the block of zeros that must end it. */
  checkEnd(): void {
    if (this.zerosAtEnd < BLOCK)
      throw malformed(this.file, `truncated: ${this.seen} bytes without the end-of-archive mark`);
  }
}

function describeFailure(file: string, error: unknown): TenonError {
  if (error instanceof TenonError) return error;
  const code = systemCode(error);
  if (code === 'EACCES' || code === 'EIO' || code === 'EISDIR') {
    return new IoError(`${clip(file)} cannot be read: ${problemOf(error)}`, { cause: error });
  }
  return malformed(file, `truncated or corrupt tar archive: ${problemOf(error)}`, error);
}
