/**
 * The bytes of a file, one after the other, gunzipped where they are gzip, within limits: what
 * readers of hostile files read from. Only a piece of it is in memory at a time, and the event loop
 * turns between pieces.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { Readable, pipeline } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { DataError, IoError } from '../errors';
import { clip, problemOf } from '../options';
import { sizeProblem, type Limits } from './limits';
import { fileError, malformed, systemCode } from './errors';

/** Bytes that are read or copied in one turn of the event loop. */
const PIECE_BYTES = 1 << 18;
/** Deflate cannot shrink data further than this (zlib's technical notes), so a bigger claim is a lie. */
const MAX_DEFLATE_RATIO = 1032;
const EMPTY = new Uint8Array(0);

/** Where the bytes come from. */
interface Origin {
  /** What to call it in messages. */
  readonly name: string;
  readonly gzipped: boolean;
  readonly storedBytes: number;
  readonly limits: Limits;
}

export class Unpacked {
  /** Bytes taken so far, ungzipped. */
  position = 0;
  private piece: Uint8Array = EMPTY;
  private at = 0;
  private arrived = 0;
  private readonly pieces: AsyncIterator<Uint8Array>;

  private constructor(
    readonly origin: Origin,
    stored: Readable,
  ) {
    // If reading fails, or the reader stops iterating, the pipeline ends both streams.
    const stream = origin.gzipped
      ? pipeline(stored, createGunzip({ chunkSize: PIECE_BYTES }), () => undefined)
      : stored;
    this.pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /**
   * Opens a file.
   * @throws DataError if it does not exist, IoError if it is not a regular file or cannot be read
   */
  static async open(what: string, name: string, limits: Limits): Promise<Unpacked> {
    let file: FileHandle | undefined;
    try {
      file = await open(name);
      const status = await file.stat();
      if (!status.isFile())
        throw new IoError(`${what} ${clip(name)} cannot be read: it is not a regular file`);
      const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
      const origin = { name, gzipped: isGzip(buffer), storedBytes: status.size, limits };
      // Closes the file when it ends or is destroyed.
      return new Unpacked(origin, file.createReadStream({ start: 0, highWaterMark: PIECE_BYTES }));
    } catch (error) {
      await file?.close();
      throw fileError(what, name, error);
    }
  }

  /** Reads what is in memory already. */
  static of(name: string, bytes: Uint8Array, limits: Limits): Unpacked {
    const origin = { name, gzipped: isGzip(bytes), storedBytes: bytes.length, limits };
    return new Unpacked(origin, Readable.from(inPieces(bytes), { objectMode: false }));
  }

  /** How many bytes it can hold at most, by its size as stored; exactly this many if it is not gzipped. */
  get capacity(): number {
    const { gzipped, storedBytes } = this.origin;
    return gzipped ? storedBytes * MAX_DEFLATE_RATIO : storedBytes;
  }

  /** @throws DataError where `bytes` in all are more than the limits allow */
  requireWithin(bytes: number): void {
    const { name, gzipped, storedBytes, limits } = this.origin;
    const problem = sizeProblem(limits, gzipped ? storedBytes : undefined, bytes);
    if (problem !== undefined) throw new DataError(`${clip(name)}: ${problem}`);
  }

  /**
   * Fills `out` with what comes next and returns how many bytes there were: fewer than it holds only
   * at the end.
   * @throws FormatError for damaged gzip, DataError past the limits, IoError
   */
  async fill(out: Uint8Array): Promise<number> {
    return this.consume(out.length, (piece, at) => out.set(piece, at));
  }

  /** Passes over bytes; returns how many there were. @throws as `fill` */
  async skip(count: number): Promise<number> {
    return this.consume(count, () => undefined);
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }

  private async consume(count: number, use: (piece: Uint8Array, at: number) => void): Promise<number> {
    let done = 0;
    while (done < count) {
      if (this.at === this.piece.length && !(await this.next())) break;
      const piece = this.piece.subarray(this.at, Math.min(this.piece.length, this.at + count - done));
      use(piece, done);
      done += piece.length;
      this.at += piece.length;
    }
    this.position += done;
    return done;
  }

  /** Brings the next piece; false at the end. */
  private async next(): Promise<boolean> {
    const { name, gzipped } = this.origin;
    let result: IteratorResult<Uint8Array>;
    try {
      result = await this.pieces.next();
    } catch (error) {
      if (gzipped && systemCode(error)?.startsWith('Z_') === true)
        throw malformed(name, `truncated or corrupt gzip data: ${problemOf(error)}`, error);
      throw fileError('file', name, error);
    }
    if (result.done === true) return false;
    this.piece = result.value;
    this.at = 0;
    this.arrived += this.piece.length;
    this.requireWithin(this.arrived);
    return true;
  }
}

/** True where `bytes` starts as a gzip member does (RFC 1952). */
function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (at > 0) await nextTurn();
    yield bytes.subarray(at, at + PIECE_BYTES);
  }
}
