/**
 * A log in a file, in the format of Optuna's JournalStorage with its JournalFileBackend: a line of JSON for
 * each operation. Both may work on one file at the same time, also on NFS.
 */
import { resolve } from 'node:path';
import { OptionError } from '../../errors';
import { checkKeys, nonEmptyString, positive } from '../../options';
import type { Json } from '../../settings';
import { Heartbeats } from './heartbeats';
import type { Heartbeat, Home } from './home';
import { appendBytes, cutTorn, makeFile, readLines, type Place } from './journal-file';
import { GRACE, JournalLock } from './journal-lock';
import { PORTION } from './limits';
import type { Operation } from './operation';
import { toPythonJson } from './python-json';

export interface JournalOptions {
  /**
   * Seconds after which a lock that does not change is taken for that of a process that died. Optuna's are
   * 30, and so is the default.
   */
  readonly grace?: number;
}

const START: Place = { line: 0, offset: 0 };

class JournalHome implements Home {
  private readonly lock: JournalLock;
  private readonly beats: Heartbeats;
  /** Where the last read ended. */
  private known: Place = START;
  /** Appends of this process queue up before they ask for the lock. */
  private last: Promise<unknown> = Promise.resolve();
  private made: Promise<void> | undefined;

  /** @param existing whether the file is there, is only read, and must not be made */
  constructor(
    readonly name: string,
    grace: number,
    private readonly existing = false,
  ) {
    this.lock = new JournalLock(name, grace);
    this.beats = new Heartbeats(`${name}.heartbeats`);
  }

  async read(from: number): Promise<readonly Operation[]> {
    await this.make();
    return (await this.readFrom(from)).operations;
  }

  append(
    from: number,
    decide: (fresh: readonly Operation[]) => readonly Operation[],
  ): Promise<readonly Operation[]> {
    if (this.existing) throw new OptionError(`${this.name} was opened for reading only`);
    const appended = this.last.then(() => this.appendNow(from, decide));
    this.last = appended.catch(() => undefined);
    return appended;
  }

  beat(trial: number, worker: string): Promise<void> {
    return this.beats.beat(trial, worker);
  }

  heartbeats(): Promise<readonly Heartbeat[]> {
    return this.beats.all();
  }

  quiet(trial: number): Promise<void> {
    return this.beats.quiet(trial);
  }

  async close(): Promise<void> {
    await this.last;
  }

  private async make(): Promise<void> {
    if (this.existing) return;
    this.made ??= makeFile(this.name);
    await this.made;
  }

  private async appendNow(
    from: number,
    decide: (fresh: readonly Operation[]) => readonly Operation[],
  ): Promise<readonly Operation[]> {
    await this.make();
    // Most of a long log is read before the lock is taken.
    let place = (await this.readFrom(from)).end;
    return this.lock.hold(async (check) => {
      const fresh: Operation[] = [];
      place = await this.placeOf(from);
      for (;;) {
        const { operations, end } = await readLines(this.name, place, PORTION);
        fresh.push(...operations);
        place = end;
        if (operations.length < PORTION) break;
      }
      const added = decide(fresh);
      if (added.length > 0) {
        const lines = added.map((operation) => `${toPythonJson(operation as Json)}\n`);
        await check();
        await cutTorn(this.name, place);
        const bytes = Buffer.from(lines.join(''));
        await appendBytes(this.name, place.offset, bytes);
        place = { line: place.line + added.length, offset: place.offset + bytes.length };
      }
      this.known = place;
      return [...fresh, ...added];
    });
  }

  private async readFrom(from: number): Promise<{ operations: readonly Operation[]; end: Place }> {
    const read = await readLines(this.name, await this.placeOf(from), PORTION);
    this.known = read.end;
    return read;
  }

  /** Lines are counted from the last known place on, or from the beginning. */
  private async placeOf(line: number): Promise<Place> {
    let place = this.known.line <= line ? this.known : START;
    while (place.line < line) {
      const { end } = await readLines(this.name, place, Math.min(PORTION, line - place.line));
      if (end.line === place.line)
        throw new OptionError(`${this.name} has ${place.line} lines, fewer than the ${line} that were read`);
      place = end;
    }
    return place;
  }
}

/**
 * Keeps a study in a file, in the format of Optuna's JournalStorage. Heartbeats, which that format lacks, are
 * files in the folder `PATH.heartbeats` beside it.
 * @param path the file, which is made where there is none; its folder must exist
 * @throws OptionError
 */
export function journal(path: string, options: JournalOptions = {}): Home {
  checkKeys('tune.journal', options, ['grace']);
  const grace = options.grace === undefined ? GRACE : positive('tune.journal', 'grace', options.grace) * 1000;
  return new JournalHome(resolve(nonEmptyString('tune.journal', 'path', path)), grace);
}

/** A journal that is there and is only read: nothing is made, locked or written. */
export function journalToRead(path: string): Home {
  return new JournalHome(resolve(path), GRACE, true);
}
