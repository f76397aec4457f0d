/** A study's log: what it says so far, and appending to it by what is true at that moment. */
import { randomUUID } from 'node:crypto';
import type { Home } from './home';
import type { Operation } from './operation';
import { Replay } from './replay';

type WithoutWorker<T> = T extends unknown ? Omit<T, 'worker_id'> : never;
/** An operation that has not been signed yet. */
export type Unsigned = WithoutWorker<Operation>;

/** How the names of workers begin that send heartbeats. Those of Optuna do not. */
const HERE = 'tenon-';

/** Whether a trial's worker sends heartbeats, so that their absence means something. */
export function isWorkerHere(worker: string | undefined): boolean {
  return worker?.startsWith(HERE) === true;
}

export class StudyLog {
  readonly replay: Replay;
  /** Unique to this process and study, as Optuna's are. */
  readonly worker = `${HERE}${randomUUID()}`;

  constructor(
    readonly home: Home,
    name: string,
  ) {
    this.replay = new Replay(home.name, name);
  }

  /** Reads what has been appended. @throws what Home.read throws, FormatError */
  async sync(): Promise<void> {
    for (;;) {
      const from = this.replay.count;
      const operations = await this.home.read(from);
      if (operations.length === 0) return;
      this.take(from, operations);
    }
  }

  /**
   * Appends what `decide` returns, which may look at the replay: it is then at the end of the log, and nobody
   * else appends. Resolves with how many operations that were.
   * @throws what Home.append throws, FormatError
   */
  async append(decide: () => readonly Unsigned[]): Promise<number> {
    const from = this.replay.count;
    let added = 0;
    const all = await this.home.append(from, (fresh) => {
      this.take(from, fresh);
      const operations = decide();
      added = operations.length;
      return operations.map((operation) => ({ ...operation, worker_id: this.worker }));
    });
    this.take(from, all);
    return added;
  }

  /** Another call may have taken in some of them already. */
  private take(from: number, operations: readonly Operation[]): void {
    this.replay.apply(operations.slice(this.replay.count - from));
  }
}

/** The time as Optuna writes it. */
export function timeText(): string {
  return new Date().toISOString().replace('Z', '000+00:00');
}
