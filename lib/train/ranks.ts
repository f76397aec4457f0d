/** The ranks of a world that train together: what they agree on, and how one learns of another's failure. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallInWords } from '../compile/describe';
import type { LentWorld } from '../distributed/world';
import { DistributedError, OptionError } from '../errors';
import { clip, messageOf } from '../options';
import type { ShardRange } from './shards';

/** The longest time between two reports of a rank that works while others wait. */
const MOST_REPORT_MS = 5000;

/** How a rank's part of common work stands. */
type Report = { readonly state: 'working' | 'done' } | { readonly state: 'failed'; readonly message: string };

/** The same facts of each rank, by the names that a message calls them. */
export type Facts = Readonly<Record<string, string | number | null>>;

/** The shards that this process computes: all, where it trains alone. */
export function ownRange(shards: number, ranks: Ranks | undefined): ShardRange {
  return ranks?.rangeOf(shards) ?? { shards, begin: 0, end: shards };
}

/** All ranks call its methods in the same order, while none of their steps is queued. */
export class Ranks {
  readonly rank: number;
  readonly size: number;
  /** What all ranks fail with, each by itself. */
  private readonly common = new WeakSet<object>();

  constructor(private readonly lent: LentWorld) {
    ({ rank: this.rank, size: this.size } = lent.collectives);
  }

  /** Whether this is the rank that writes. */
  get first(): boolean {
    return this.rank === 0;
  }

  /** The shards of this rank. */
  rangeOf(shards: number): ShardRange {
    return { shards, ...this.lent.collectives.shards(shards) };
  }

  /** As messages call a rank. */
  name(rank: number): string {
    return `rank ${rank} (${this.lent.collectives.hosts[rank]})`;
  }

  /** One value of each rank, in their order. */
  gather<T>(value: T): Promise<T[]> {
    return this.lent.collectives.gather(value);
  }

  /** Bytes of rank 0, which alone gives them. */
  async bytesOfFirst(bytes: Uint8Array = new Uint8Array()): Promise<Uint8Array> {
    const [length = 0] = await this.gather(bytes.byteLength);
    return this.lent.collectives.broadcast(this.first ? bytes : new Uint8Array(length), 0);
  }

  /**
   * Does this rank's part of a work that all ranks do, however long it takes any of them.
   * @throws what this rank's part throws; DistributedError where the part of another one failed
   */
  async together<T>(where: string, work: () => Promise<T>): Promise<T> {
    let result: T | undefined;
    let failure: unknown;
    let mine: Report = { state: 'working' };
    const done = work().then(
      (value) => {
        result = value;
        mine = { state: 'done' };
      },
      (error: unknown) => {
        failure = error;
        mine = { state: 'failed', message: clip(messageOf(error)) };
      },
    );
    let reports: Report[];
    do {
      await this.soon(done);
      reports = await this.gather<Report>(mine);
    } while (reports.some(({ state }) => state === 'working'));
    if (reports[this.rank]!.state === 'failed') throw this.agreed(failure);
    for (const [rank, report] of reports.entries())
      if (report.state === 'failed')
        throw this.agreed(new DistributedError(`${where}: ${this.name(rank)} failed: ${report.message}`));
    return result as T;
  }

  /** Does a work on rank 0 only, for which the others wait; undefined there. @throws as `together` */
  onFirst<T>(where: string, work: () => Promise<T>): Promise<T | undefined> {
    return this.together(where, async () => (this.first ? work() : undefined));
  }

  /** The result of rank 0, which JSON can hold, on all ranks. @throws as `together` */
  async ofFirst<T>(where: string, work: () => Promise<T>): Promise<T> {
    const own = await this.onFirst(where, work);
    const [result = null] = await this.gather(own ?? null);
    return this.first ? (own as T) : (result as T);
  }

  /** @throws OptionError on all ranks, which names the first rank and fact that differ from rank 0's */
  async compare(where: string, facts: Facts): Promise<void> {
    const [first] = await this.differences(facts);
    if (first !== undefined) throw this.agreed(new OptionError(`${where}: ${first}`));
  }

  /** @throws OptionError on all ranks, which names the first rank and layer that compute something else */
  async compareCalls(where: string, calls: readonly CallInWords[]): Promise<void> {
    const digest = createHash('sha256').update(JSON.stringify(calls)).digest('hex');
    const digests = await this.gather(digest);
    const rank = digests.findIndex((other) => other !== digests[0]);
    if (rank < 0) return;
    // Only now: a deep network has thousands of them.
    const all = await this.gather(this.first || this.rank === rank ? calls : []);
    const [expected, theirs] = [all[0]!, all[rank]!];
    const at = theirs.findIndex(
      ({ place, text }, i) => place !== expected[i]?.place || text !== expected[i].text,
    );
    const name = (call: CallInWords | undefined): string => call?.place ?? 'nothing';
    const [there, here] = [theirs[at], expected[at < 0 ? theirs.length : at]].map(name);
    const what =
      there === here
        ? `${this.name(rank)} computes ${there} with other settings than ${this.name(0)}`
        : `${this.name(rank)} computes ${there}, where ${this.name(0)} computes ${here}`;
    throw this.agreed(
      new OptionError(`${where}: the ranks train different networks, or by different losses: ${what}`),
    );
  }

  /** What ranks have otherwise than rank 0, in words; the same list on all ranks. */
  async differences(facts: Facts): Promise<string[]> {
    const [expected = {}, ...others] = await this.gather(facts);
    return others.flatMap((theirs, i) =>
      Object.keys({ ...expected, ...theirs })
        .filter((name) => theirs[name] !== expected[name])
        .map(
          (name) =>
            `the ranks disagree on ${name}: ${this.name(i + 1)} has ${shown(theirs[name])}, ${this.name(0)} has ${shown(expected[name])}`,
        ),
    );
  }

  /** The error, of which this rank knows that all others fail as well. */
  agreed<E>(error: E): E {
    if (typeof error === 'object' && error !== null) this.common.add(error);
    return error;
  }

  /** Lets the others know that this rank has failed, unless they fail by themselves. The job then ends. */
  async fail(error: unknown): Promise<void> {
    if (typeof error === 'object' && error !== null && this.common.has(error)) return;
    await this.lent.collectives.giveUp().catch(() => undefined); // it is broken already
  }

  /** Lets others use the world. */
  release(): void {
    this.lent.giveBack();
  }

  /** Waits for the work, but not longer than others wait for a report. */
  private async soon(work: Promise<void>): Promise<void> {
    const limit = new AbortController();
    const most = Math.min(MOST_REPORT_MS, (this.lent.timeout * 1000) / 3);
    const waited = sleep(most, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([work, waited]);
    limit.abort();
  }
}

function shown(fact: Facts[string] | undefined): string {
  return clip(String(fact ?? 'none'));
}
