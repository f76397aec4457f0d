/**
 * A directory that one run at a time writes to. The lock is the file `.lock` in it, which names its owner. A
 * lock whose owner is gone is taken over. We do not use proper-lockfile, which judges by the age of a file
 * that its owner keeps touching: a run whose event loop is blocked, or whose machine sleeps, would lose the
 * lock to another run and still write.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { link, mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BusyError, IoError, TenonError } from '../errors';
import { clip, problemOf } from '../options';
import { lacksLinks, systemCode } from './errors';
import { isTemporary, temporaryName } from './atomic-file';
import { countIn, fieldsOf, textIn } from './json-fields';
import { processStart } from './process-start';

const LOCK_FILE = '.lock';

/** How often we try for a lock that keeps changing hands, and how long we wait in between. */
const ATTEMPTS = 100;
const PAUSE_MS = 20;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began: another may have its number later. */
  readonly started: string;
  /**
   * The descriptor by which the owner holds the lock's file open. When a worker thread ends, it is closed,
   * though the process lives on.
   */
  readonly fd: number;
  readonly id: string;
}

/** A directory that is ours until `release`. */
export interface DirectoryLock {
  /** The directory, without symbolic links. */
  readonly directory: string;
  /** Lets others in. Never throws. */
  release(): void;
}

/**
 * Takes `directory`, which is made where it is missing, and removes what interrupted writes of earlier owners
 * left in it. The lock ends with `release`, or with the process or worker thread.
 * @param files names of the files that only the owner of the lock writes
 * @throws BusyError naming the owner where another run has it, IoError where the system refuses
 */
export async function lockDirectory(
  directory: string,
  files: readonly string[],
  attempts = 3,
): Promise<DirectoryLock> {
  try {
    const made = await mkdir(directory, { recursive: true });
    const real = await realpath(directory);
    const letGo = await take(join(real, LOCK_FILE), directory);
    await clearUp(real, files).catch(() => undefined);
    const release = (): void => {
      letGo();
      if (made !== undefined) removeEmpty(real);
    };
    return { directory: real, release };
  } catch (error) {
    if (error instanceof TenonError) throw error;
    // The run that had made it has removed it since.
    if (systemCode(error) === 'ENOENT' && attempts > 1) return lockDirectory(directory, files, attempts - 1);
    throw new IoError(`${clip(directory)} cannot be written: ${problemOf(error)}`, { cause: error });
  }
}

/** A run that fails before it writes anything leaves nothing behind. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // It is not empty.
  }
}

/** Makes the file `path` ours. */
async function take(path: string, directory: string): Promise<() => void> {
  for (let i = 0; i < ATTEMPTS; i++) {
    const release = await create(path);
    if (release !== undefined) return release;
    const owner = await readOwner(path);
    if (owner === undefined) continue;
    // On a file system without hard links, the file may not be whole yet.
    if (owner === 'unreadable') await wait(PAUSE_MS);
    else if (isAlive(path, owner)) throw busy(directory, owner);
    else await removeStale(path, owner, directory);
  }
  throw new BusyError(
    `${clip(directory)} is in use by another run; if there is none, delete ${clip(path)} in it`,
  );
}

/**
 * Only the holder of the lock that is named by its id may remove a stale lock, and no id is used twice. If
 * two runs find it stale, the slower one cannot remove what the faster one has put in its place.
 */
async function removeStale(path: string, { id }: Owner, directory: string): Promise<void> {
  let release: () => void;
  try {
    release = await take(join(dirname(path), `${LOCK_FILE}-${id}`), directory);
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
    return wait(PAUSE_MS); // another run is about to remove it
  }
  try {
    const owner = await readOwner(path);
    if (owner !== undefined && owner !== 'unreadable' && owner.id === id) await rm(path, { force: true });
  } finally {
    release();
  }
}

/** Makes the lock; undefined where there is one. */
async function create(path: string): Promise<(() => void) | undefined> {
  const draft = temporaryName(path);
  const fd = writeOwner(draft);
  let ours = false;
  try {
    // A link, so that the lock is whole from its first moment.
    await link(draft, path);
    ours = true;
    return hold(path, fd);
  } catch (error) {
    const code = systemCode(error) ?? '';
    // ENOENT: the run that has the lock has removed our draft.
    if (code === 'EEXIST' || code === 'ENOENT') return undefined;
    if (lacksLinks(error)) return createWithoutLinks(path);
    throw error;
  } finally {
    if (!ours) closeSync(fd);
    await rm(draft, { force: true });
  }
}

function createWithoutLinks(path: string): (() => void) | undefined {
  try {
    return hold(path, writeOwner(path));
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/**
 * A new file that names us, still open. Opened by the calls that register a file with this thread, which
 * closes it when the thread ends.
 */
function writeOwner(path: string): number {
  const fd = openSync(path, 'wx');
  const { pid } = process;
  const id = randomBytes(9).toString('hex');
  const owner: Owner = { pid, host: hostname(), started: processStart(pid) ?? '', fd, id };
  writeFileSync(fd, `${JSON.stringify(owner)}\n`);
  return fd;
}

/** What this thread holds. */
const held = new Set<() => void>();

function releaseAll(): void {
  for (const release of held) release();
}

function hold(path: string, fd: number): () => void {
  if (held.size === 0) process.on('exit', releaseAll);
  const release = (): void => {
    if (!held.delete(release)) return;
    if (held.size === 0) process.off('exit', releaseAll);
    try {
      // Somebody may have deleted it, and another run have taken the directory since.
      if (isOpen(path, fd)) unlinkSync(path);
    } catch {
      // It names an owner that is gone: the next run takes it over.
    }
    closeSync(fd);
  };
  held.add(release);
  return release;
}

/** Whether the file `path` is the one that is open as `fd` in this process. */
function isOpen(path: string, fd: number): boolean {
  try {
    const [open, found] = [fstatSync(fd, { bigint: true }), statSync(path, { bigint: true })];
    return open.ino === found.ino && open.dev === found.dev;
  } catch {
    return false;
  }
}

/** The owner that a lock names, which may be anyone's file; undefined where there is none. */
async function readOwner(path: string): Promise<Owner | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const fields = fieldsOf(path, 'the owner', JSON.parse(text));
    const owner: Owner = {
      pid: countIn(path, fields, 'pid'),
      host: textIn(path, fields, 'host'),
      started: textIn(path, fields, 'started'),
      fd: countIn(path, fields, 'fd'),
      id: textIn(path, fields, 'id'),
    };
    return owner.pid > 0 && /^[0-9a-f]{18}$/.test(owner.id) ? owner : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

function isAlive(path: string, { pid, host, started, fd }: Owner): boolean {
  // Nobody here can say. Machines, and containers, that share a directory must have names of their own.
  if (host !== hostname()) return true;
  const start = processStart(pid);
  if (start === undefined || (start !== started && start !== '' && started !== '')) return false;
  return pid !== process.pid || isOpen(path, fd);
}

function busy(directory: string, { pid, host }: Owner): BusyError {
  const by = pid === process.pid && host === hostname() ? 'another run of this process' : 'another run';
  const elsewhere =
    host === hostname() ? '' : `; if that run has ended, delete the file ${LOCK_FILE} in the directory`;
  return new BusyError(`${clip(directory)} is in use by ${by} (process ${pid} on ${clip(host)})${elsewhere}`);
}

/** Names of locks on stale locks: they mean nothing to the run that has the directory's lock. */
const STALE_NAME = /^\.lock-[0-9a-f]{18}$/;

async function clearUp(directory: string, files: readonly string[]): Promise<void> {
  const names = await readdir(directory);
  const written = [LOCK_FILE, ...files];
  const left = names.filter(
    (name) => STALE_NAME.test(name) || written.some((file) => isTemporary(name, file)),
  );
  await Promise.all(left.map((name) => rm(join(directory, name), { force: true })));
}
