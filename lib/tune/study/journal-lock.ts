/**
 * The lock of a journal file, as Optuna's JournalFileSymlinkLock takes it: a symbolic link beside the file,
 * which even NFS 2 makes atomically. On Windows, and where there are no such links, it is a file that did not
 * exist before, as JournalFileOpenLock makes it. It is released by a rename, so that exactly one process
 * removes it. A lock that stays the same for the grace time is that of a process that died, and is broken.
 */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, lstat, open, readlink, rename, symlink, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { IoError } from '../../errors';
import { lacksLinks, systemCode } from '../../files/errors';
import { clip, problemOf } from '../../options';

/** Milliseconds after which Optuna, too, breaks a lock. */
export const GRACE = 30_000;
const LONGEST_SLEEP = 100;

export class JournalLock {
  private readonly path: string;

  constructor(
    private readonly journal: string,
    private readonly grace = GRACE,
  ) {
    this.path = `${journal}.lock`;
  }

  /**
   * Runs `then` while no other process holds the lock. `then` is given a check to call before it writes.
   * @throws IoError where the file system refuses the lock, and what `then` throws
   */
  async hold<T>(then: (check: () => Promise<void>) => Promise<T>): Promise<T> {
    const own = await this.acquire();
    try {
      return await then(() => this.check(own));
    } finally {
      await this.release(own);
    }
  }

  /** The identity of the link that was made. */
  private async acquire(): Promise<string> {
    let seen: string | undefined;
    let since = performance.now();
    for (let sleep = 1; ; sleep = Math.min(sleep * 2, LONGEST_SLEEP)) {
      if (await this.link()) {
        const own = await this.identity();
        // Undefined: a process with another clock has broken it at once.
        if (own !== undefined) return own;
      }
      const now = await this.identity();
      // It changes hands, so it is free again soon: who asked seldom would hardly find it free.
      if (now !== seen) [seen, since, sleep] = [now, performance.now(), 1];
      if (now !== undefined && performance.now() - since > this.grace) {
        await this.remove(now);
        sleep = 1;
      }
      // Not in step with others that wait.
      await new Promise((done) => setTimeout(done, sleep * (0.5 + Math.random())));
    }
  }

  /** Whether it made the link: false where there is one. */
  private async link(): Promise<boolean> {
    try {
      await this.make();
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      throw this.failure('cannot be locked', error);
    }
  }

  private async make(): Promise<void> {
    if (process.platform !== 'win32') {
      try {
        // Absolute, so that Optuna, which looks at the time of what it points to, finds the journal.
        return await symlink(resolve(this.journal), this.path);
      } catch (error) {
        if (!lacksLinks(error)) throw error;
      }
    }
    const file = await open(this.path, 'wx');
    await file.close();
  }

  /** What tells one link from the next; undefined where there is none. */
  private async identity(): Promise<string | undefined> {
    try {
      const { ino, mtimeMs, ctimeMs } = await lstat(this.path);
      return `${ino} ${mtimeMs} ${ctimeMs}`;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw this.failure('has a lock that cannot be read', error);
    }
  }

  /** @throws IoError where others have broken the lock, because this process slept for the grace time */
  private async check(own: string): Promise<void> {
    if ((await this.identity()) !== own)
      throw new IoError(
        `${clip(this.journal)}: another process broke the lock, which this one held for more than ` +
          `${this.grace / 1000} seconds; nothing was written`,
      );
  }

  private async release(own: string): Promise<void> {
    if ((await this.identity()) === own) await this.remove(own);
  }

  /** Takes away the link of this identity. One of several processes that try succeeds. */
  private async remove(identity: string): Promise<void> {
    const aside = `${this.path}${randomUUID()}.rename`;
    try {
      await rename(this.path, aside);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw this.failure('has a lock that cannot be removed', error);
    }
    // The link may have changed since it was looked at: the one of a process that lives is put back.
    const found = await lstat(aside);
    if (!identity.startsWith(`${found.ino} ${found.mtimeMs} `)) await putBack(aside, found, this.path);
    await unlink(aside);
  }

  private failure(what: string, error: unknown): IoError {
    return new IoError(`${clip(this.journal)} ${what}: ${problemOf(error)}`, { cause: error });
  }
}

/** Makes the lock `path` again, as it was; nothing where there is a new one. */
async function putBack(aside: string, found: Stats, path: string): Promise<void> {
  if (found.isSymbolicLink()) await symlink(await readlink(aside), path).catch(() => undefined);
  else await link(aside, path).catch(() => undefined);
}
