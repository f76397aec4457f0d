/** The directories that one run saves into. */
import { realpath } from 'node:fs/promises';
import type { DirectoryLock } from '../files/directory-lock';
import { lockCheckpoints } from './checkpoint';

export class RunLocks {
  private readonly locks: DirectoryLock[] = [];
  /** The last attempt; they go one after the other. Never rejects. */
  private last: Promise<unknown> = Promise.resolve();

  /** Takes a directory, once. @throws BusyError where another run has it, IoError */
  take(directory: string): Promise<void> {
    const turn = this.last.then(async () => {
      // By its real path: a link leads to the same directory.
      const real = await realpath(directory).catch(() => undefined);
      if (this.locks.some((lock) => lock.directory === real)) return;
      this.locks.push(await lockCheckpoints(directory));
    });
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /** Lets other runs in. */
  async release(): Promise<void> {
    await this.last;
    this.locks.splice(0).forEach((lock) => lock.release());
  }
}
