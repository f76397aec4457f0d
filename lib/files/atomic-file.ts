/**
 * Writing files so that a reader sees the old contents or the new, never a part: temporary
 * name, sync, rename.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { IoError, TenonError } from '../errors';
import { clip, problemOf } from '../options';
import { systemCode } from './errors';

function describe(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code === 'ENOSPC') return 'the disk is full';
  if (code === 'ENOENT') return 'its directory does not exist';
  return problemOf(error);
}

/** Node refuses more than 2 GiB at a time. */
const LARGEST_WRITE = 2 ** 30;

/** What a file is made of, one after the other. */
export type Parts = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

async function writeAll(file: FileHandle, parts: Parts): Promise<void> {
  for await (const part of parts) {
    // One write() may write only a part of what it is given.
    for (let at = 0; at < part.byteLength;) {
      const length = Math.min(part.byteLength - at, LARGEST_WRITE);
      at += (await file.write(part, at, length)).bytesWritten;
    }
  }
}

/** What Windows says of a file that another program, a virus scanner say, has open for a moment. */
const HELD: ReadonlySet<string | undefined> = new Set(['EACCES', 'EBUSY', 'EPERM']);
const PAUSE_MS = 20;
const PATIENCE_MS = 2000;

/**
 * Renames a file over what is there, or a directory. On Windows, where a rename fails while anybody has the
 * file open, it tries again for two seconds.
 */
export async function renameOver(from: string, to: string): Promise<void> {
  for (const begin = performance.now(); ; await wait(PAUSE_MS)) {
    try {
      return await rename(from, to);
    } catch (error) {
      const held = process.platform === 'win32' && HELD.has(systemCode(error));
      if (!held || performance.now() - begin > PATIENCE_MS) throw error;
    }
  }
}

/** Makes a rename durable. Some systems cannot open directories; there the rename stands without it. */
export async function syncDirectory(path: string): Promise<void> {
  let directory: FileHandle;
  try {
    directory = await open(path, 'r');
  } catch {
    return;
  }
  try {
    await directory.sync();
  } catch {
    // Network file systems refuse this; the file itself has been synced.
  } finally {
    await directory.close();
  }
}

/**
 * Bytes of a temporary name besides those of the file's own, and how many it may have in all where that
 * name is shorter.
 */
const ADDED_BYTES = '..0123456789ab.tmp'.length;
const SHORT_BYTES = 60;

/**
 * The path of a new temporary file beside `path`, `.NAME.ID.tmp`. Its name is at most as long as that of
 * `path`, or else short, so that a file system that takes the one takes the other.
 */
export function temporaryName(path: string): string {
  const name = Buffer.from(basename(path));
  const kept = Math.max(name.length, SHORT_BYTES) - ADDED_BYTES;
  // A letter that was cut in two becomes U+FFFD, of three bytes.
  const begin = name.length <= kept ? name.toString() : name.toString('utf8', 0, kept - 2);
  return join(dirname(path), `.${begin}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Whether `name` is one that `temporaryName` makes for a file called `of`, whose name is not a long one. */
export function isTemporary(name: string, of: string): boolean {
  return name.startsWith(`.${of}.`) && /^[0-9a-f]{12}\.tmp$/.test(name.slice(of.length + 2));
}

/**
 * Writes `parts`, one after the other, to `path`. The file that was there stays until all of the new
 * one is on disk, and stays for good if anything fails. The temporary file beside it (`temporaryName`)
 * is then removed.
 * @throws IoError when the system refuses: disk full, no permission, no such directory; the TenonError that
 *   making a part ends with
 */
export async function writeFileAtomic(path: string, parts: Parts): Promise<void> {
  const directory = dirname(path);
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx', 0o666);
    try {
      await writeAll(file, parts);
      await file.sync();
    } finally {
      await file.close();
    }
    await renameOver(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    if (error instanceof TenonError) throw error;
    throw new IoError(`${clip(path)} cannot be written: ${describe(error)}`, { cause: error });
  }
  await syncDirectory(directory);
}
