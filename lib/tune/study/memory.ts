/** A log in memory: it ends with the process. */
import { checkKeys } from '../../options';
import type { Heartbeat, Home } from './home';
import type { Operation } from './operation';

class MemoryHome implements Home {
  readonly name = 'memory';
  private readonly operations: Operation[] = [];
  private readonly beats = new Map<number, { readonly worker: string; readonly at: number }>();

  read(from: number): Promise<readonly Operation[]> {
    return Promise.resolve(this.operations.slice(from));
  }

  append(
    from: number,
    decide: (fresh: readonly Operation[]) => readonly Operation[],
  ): Promise<readonly Operation[]> {
    // A decision that throws rejects, as that of any home.
    return new Promise((resolve) => {
      const fresh = this.operations.slice(from);
      const added = decide(fresh);
      this.operations.push(...added);
      resolve([...fresh, ...added]);
    });
  }

  beat(trial: number, worker: string): Promise<void> {
    this.beats.set(trial, { worker, at: performance.now() });
    return Promise.resolve();
  }

  heartbeats(): Promise<readonly Heartbeat[]> {
    const now = performance.now();
    return Promise.resolve(
      Array.from(this.beats, ([trial, { worker, at }]) => ({ trial, worker, age: now - at })),
    );
  }

  quiet(trial: number): Promise<void> {
    this.beats.delete(trial);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Keeps a study in memory. The same home may be opened again while the process runs. */
export function memory(options?: Record<string, never>): Home {
  checkKeys('tune.memory', options, []);
  return new MemoryHome();
}
