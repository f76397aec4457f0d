/**
 * Signs of life beside a journal: a file for each trial that runs. Ages are differences of times that the
 * same file system has set, since the clocks of hosts differ.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { IoError } from '../../errors';
import { systemCode } from '../../files/errors';
import { clip, problemOf } from '../../options';
import type { Heartbeat } from './home';
import { LONGEST_WORKER } from './limits';

export class Heartbeats {
  constructor(private readonly folder: string) {}

  async beat(trial: number, worker: string): Promise<void> {
    const path = join(this.folder, String(trial));
    try {
      await touch(path, worker);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw this.failure('written', error);
      await mkdir(this.folder, { recursive: true });
      await touch(path, worker).catch((again: unknown) => {
        throw this.failure('written', again);
      });
    }
  }

  async all(): Promise<readonly Heartbeat[]> {
    try {
      const names = await readdir(this.folder);
      const trials = names.filter((name) => /^\d{1,9}$/.test(name));
      if (trials.length === 0) return [];
      const now = await this.now();
      const beats: Heartbeat[] = [];
      for (const trial of trials) {
        const beat = await read(join(this.folder, trial));
        if (beat === undefined) continue;
        beats.push({ trial: Number(trial), worker: beat.worker, age: Math.max(0, now - beat.at) });
      }
      return beats;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw this.failure('read', error);
    }
  }

  async quiet(trial: number): Promise<void> {
    await unlink(join(this.folder, String(trial))).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw this.failure('removed', error);
    });
  }

  /** The file system's own clock. */
  private async now(): Promise<number> {
    const path = join(this.folder, `clock-${randomUUID()}`);
    try {
      return await touch(path, 'now');
    } finally {
      await unlink(path).catch(() => undefined);
    }
  }

  private failure(how: string, error: unknown): IoError {
    return new IoError(`heartbeats in ${clip(this.folder)} cannot be ${how}: ${problemOf(error)}`, {
      cause: error,
    });
  }
}

/** Writes a file, so that its server sets its time, and returns that in milliseconds. */
async function touch(path: string, text: string): Promise<number> {
  const file = await open(path, 'w');
  try {
    await file.write(text);
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
  }
}

/** Opened, not only asked for its state: NFS then asks the server. */
async function read(path: string): Promise<{ readonly worker: string; readonly at: number } | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_WORKER), 0, LONGEST_WORKER, 0);
      return { worker: buffer.toString('utf8', 0, bytesRead), at: (await file.stat()).mtimeMs };
    } finally {
      await file.close();
    }
  } catch (error) {
    // The trial has ended meanwhile.
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
