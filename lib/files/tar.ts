/**
 * Reading tar archives, plain or gzipped, entry by entry, without unpacking to disk (so a path like
 * `../../etc/passwd` in an archive is only a name).
 *
 * We have our own reader because a library would need one to guard it: tar-stream and node-tar take a
 * negative, a huge or an unreadable size for anything from 0 to a reason to wait for ever, and only a reader
 * that follows the sizes knows which blocks are headers.
 */
import { checkKeys } from '../options';
import { UNPACK_LIMITS, memoryFor, readLimits, type UnpackLimits } from './limits';
import { malformed } from './errors';
import { BLOCK, TarProblem, parseHeader, parseLongName, parsePax, type TarHeader } from './tar-headers';
import { Unpacked } from './unpack';

/** One regular file of an archive. */
export interface TarEntry {
  /** The path as stored, without a leading `./`. */
  readonly path: string;
  /** The content, in memory of its own. */
  readonly bytes: Uint8Array;
}

/** Options of `readTar`. */
export interface ReadTarOptions extends UnpackLimits {
  /** Which paths to read; the others are passed over. Default: all. What it throws is passed on unchanged. */
  readonly filter?: (path: string) => boolean;
}

/**
 * Yields the regular files of a `.tar`, `.tar.gz` or `.tgz` archive in archive order; gzip is
 * recognized by content.
 * @throws DataError if there is no such file or it unpacks to more than the limits allow, FormatError if it
 *   is truncated, corrupt or no archive, IoError if it cannot be read
 */
export async function* readTar(
  file: string,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  checkKeys('readTar', options, [...UNPACK_LIMITS, 'filter']);
  const limits = readLimits('readTar', options);
  const filter = options.filter ?? (() => true);
  const input = await Unpacked.open('archive', file, limits);
  const archive = new Archive(file, input);
  try {
    for (;;) {
      const entry = await archive.next();
      if (entry === undefined) return;
      if (filter(entry.path)) yield { path: entry.path, bytes: await archive.read(entry.size) };
      else await archive.pass(entry.size);
    }
  } finally {
    await input.close();
  }
}

/** A regular file whose content comes next. */
interface Found {
  readonly path: string;
  readonly size: number;
}

class Archive {
  private readonly block = new Uint8Array(BLOCK);

  constructor(
    private readonly file: string,
    private readonly input: Unpacked,
  ) {}

  /** The next regular file; undefined at the end. */
  async next(): Promise<Found | undefined> {
    let path: string | undefined;
    let size: number | undefined;
    for (;;) {
      const header = await this.header();
      if (header === undefined) return undefined;
      switch (header.content) {
        case 'longName':
          path = parseLongName(await this.read(header.size));
          break;
        case 'pax': {
          const records = await this.pax(header.size);
          path = records.path ?? path;
          size = records.size;
          break;
        }
        case 'globalPax': {
          const records = await this.pax(header.size);
          if (records.path !== undefined || records.size !== undefined)
            throw malformed(this.file, 'a global PAX header with the path or size of every file');
          break;
        }
        case 'file':
          return { path: (path ?? header.name).replace(/^(\.\/)+/, ''), size: size ?? header.size };
        case 'skipped':
          await this.pass(size ?? header.size);
          [path, size] = [undefined, undefined];
      }
    }
  }

  /** Content of `size` bytes and the padding behind it, in memory of its own. */
  async read(size: number): Promise<Uint8Array> {
    this.requireHeld(size);
    const bytes = new Uint8Array(memoryFor(this.file, size));
    if ((await this.input.fill(bytes)) < size) throw this.truncated();
    await this.padding(size);
    return bytes;
  }

  async pass(size: number): Promise<void> {
    this.requireHeld(size);
    if ((await this.input.skip(size)) < size) throw this.truncated();
    await this.padding(size);
  }

  /**
   * The next header that is not a block of zeros; undefined at the end, which must have such a block.
   * Otherwise nobody would notice an archive that was cut between files.
   */
  private async header(): Promise<TarHeader | undefined> {
    for (let zeros = false; ; zeros = true) {
      const count = await this.input.fill(this.block);
      if (count === 0 && this.input.position === 0)
        throw malformed(this.file, 'empty file, expected a tar archive');
      if (count === 0 && zeros) return undefined;
      if (count < BLOCK) throw this.truncated();
      const header = this.parse(() => parseHeader(this.block));
      if (header !== undefined) return header;
    }
  }

  private async pax(size: number): Promise<ReturnType<typeof parsePax>> {
    const content = await this.read(size);
    return this.parse(() => parsePax(content));
  }

  private async padding(size: number): Promise<void> {
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if ((await this.input.skip(padding)) < padding) throw this.truncated();
  }

  /** Refuses a size that the file cannot have before memory is taken or bytes are counted for it. */
  private requireHeld(size: number): void {
    const end = this.input.position + size;
    if (end > this.input.capacity) throw this.truncated();
    this.input.requireWithin(end);
  }

  private parse<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof TarProblem)
        throw malformed(this.file, `corrupt tar archive: ${error.message}`, error);
      throw error;
    }
  }

  private truncated(): Error {
    return malformed(this.file, `truncated: the archive ends after ${this.input.position} bytes`);
  }
}
