/**
 * The checkpoints that a run saves: it keeps their directories to itself, and writes one after the other. In
 * a world, rank 0 does, and the others wait for it.
 */
import { realpath } from 'node:fs/promises';
import type { DirectoryLock } from '../files/directory-lock';
import { lockCheckpoints } from './checkpoint';
import type { Ranks } from './ranks';

export class Saves {
  private readonly locks: DirectoryLock[] = [];
  /** The last attempt to take a directory; they go one after the other. Never rejects. */
  private taking: Promise<unknown> = Promise.resolve();
  /** The last of the writes, likewise. */
  private writing: Promise<unknown> = Promise.resolve();
  private pending: Promise<unknown> = Promise.resolve();

  constructor(private readonly ranks: Ranks | undefined) {}

  /**
   * Resolves once all saves so far are written. Until then nothing that they hold may change.
   * Never rejects.
   */
  get settled(): Promise<unknown> {
    return this.pending;
  }

  /** Takes a directory, once. @throws BusyError where another run has it, IoError */
  lock(directory: string): Promise<void> {
    const turn = this.taking.then(() => this.onFirst(() => this.take(directory)));
    this.taking = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Takes a directory, awaits `prepare`, and then `write` when the saves before it are written. Resolves with
   * the result of `write`.
   * @throws as lock, and what `prepare` and `write` throw
   */
  save(directory: string, prepare: () => Promise<void>, write: () => Promise<string>): Promise<string> {
    const save = this.lock(directory)
      .then(prepare)
      .then(() => {
        const turn = this.writing.then(() => this.onFirst(write));
        this.writing = turn.catch(() => undefined);
        return turn;
      });
    this.pending = Promise.allSettled([this.pending, save]);
    return save;
  }

  private async take(directory: string): Promise<void> {
    // Locks are kept by real path, because a link leads to the same directory.
    const real = await realpath(directory).catch(() => undefined);
    if (this.locks.some((lock) => lock.directory === real)) return;
    this.locks.push(await lockCheckpoints(directory));
  }

  /** The result of rank 0. */
  private async onFirst<T>(work: () => Promise<T>): Promise<T> {
    return this.ranks === undefined ? work() : this.ranks.ofFirst('checkpoint', work);
  }

  /** Lets other runs in. */
  async release(): Promise<void> {
    await this.taking;
    this.locks.splice(0).forEach((lock) => lock.release());
  }
}
