/** The ranks of a job, and what they do together. */
import { BusyError, DisposedError } from '../errors';
import type { AnyArray } from '../native';
import { firstLine, leaveWorld, type Membership } from '../native/world';
import { checkKeys, positiveInteger } from '../options';
import { Collectives } from './collectives';

/** The library of MPI in use. */
export interface MpiInfo {
  readonly file: string;
  /** Its binary interface: that of Open MPI, that of MPICH, or the standard one of MPI 5. */
  readonly abi: 'openmpi' | 'mpich' | 'standard';
  /** As it describes itself, first line. */
  readonly version: string;
}

/** What {@link World.broadcast} takes besides the value. */
export interface BroadcastOptions {
  /** The rank whose values all others get. Default 0. */
  readonly root?: number;
}

/** What {@link World.sum} takes besides the numbers. */
export interface SumOptions {
  /**
   * How many shards the ranks have together, each of which owns neighbouring ones ({@link World.shards}).
   * Default: one a rank.
   */
  readonly shards?: number;
}

/** A world in the hands of a run, whose ranks exchange more than the world's own methods do. */
export interface LentWorld {
  readonly collectives: Collectives;
  /** Seconds that a rank has to come to an operation in which others wait for it. */
  readonly timeout: number;
  giveBack(): void;
}

/**
 * The ranks of a job, each of them a process, as {@link join} makes it. Its methods are collective: all ranks
 * call the same ones in the same order, and each returns once this rank's part is done. When a rank hangs, or
 * ends, or calls something else, they reject with a DistributedError that names it, and two seconds
 * later all ranks end. While a Trainer trains in the world, they reject with a BusyError.
 */
export class World {
  /** Which of the ranks this process is, from 0. */
  readonly rank: number;
  /** How many ranks there are. */
  readonly size: number;
  /** The host of each rank. */
  readonly hosts: readonly string[];
  /** The library that carries the bytes; undefined in a world of one, which needs none. */
  readonly mpi: MpiInfo | undefined;

  private readonly collectives: Collectives;
  private left: Promise<void> | undefined;
  private lent = false;

  /** @internal */
  constructor(
    membership: Membership,
    host: string,
    private readonly timeout: number,
  ) {
    const { rank, size, hosts, file, abi, version } = membership;
    this.rank = rank;
    this.size = size;
    this.hosts = hosts.length > 0 ? hosts : [host];
    this.mpi = abi === '' ? undefined : { file, abi, version: firstLine(version) };
    this.collectives = new Collectives(rank, this.hosts);
  }

  /** Waits until all ranks have come to it. @throws DistributedError */
  async barrier(): Promise<void> {
    this.require('barrier');
    await this.collectives.barrier();
  }

  /**
   * Copies the values of rank `root` to all others, whose arrays have the same length.
   * @returns the values, in an array of its own
   * @throws DistributedError also where lengths differ
   */
  async broadcast<T extends AnyArray>(values: T, options: BroadcastOptions = {}): Promise<T> {
    this.require('broadcast');
    checkKeys('world.broadcast', options, ['root']);
    return this.collectives.broadcast(values, options.root ?? 0);
  }

  /**
   * Collects one value of each rank, on all of them. A value is anything that JSON can hold.
   * @returns the values, in the order of ranks
   * @throws DataError for a value that JSON cannot hold
   */
  async gather<T>(value: T): Promise<T[]> {
    this.require('gather');
    return this.collectives.gather(value);
  }

  /**
   * The shards [begin, end) that this rank owns of so many: their numbers differ by at most
   * one between ranks.
   */
  shards(shards: number): { readonly begin: number; readonly end: number } {
    return this.collectives.shards(shards);
  }

  /**
   * Adds up the arrays of all shards, number by number. This rank brings those of its own shards, in order,
   * all of one length. The order of additions is a tree that the number of shards alone determines: the
   * result has the same bits on any number of ranks. Denormal numbers count as zero.
   * @throws DistributedError also where lengths differ between ranks
   */
  async sum(values: readonly Float32Array[], options: SumOptions = {}): Promise<Float32Array> {
    this.require('sum');
    checkKeys('world.sum', options, ['shards']);
    const shards = positiveInteger('world.sum', 'shards', options.shards ?? this.size);
    return this.collectives.sum(values, shards);
  }

  /**
   * Ends this rank's part in the job, once all ranks have come to it. Nothing can be exchanged afterwards,
   * and a process joins only once. A second call waits for the first. A program that ends by itself needs no
   * call: it leaves at its end.
   * @throws BusyError while a Trainer trains in it
   */
  async leave(): Promise<void> {
    if (this.lent) throw busy('world.leave');
    this.left ??= leaveWorld();
    await this.left;
  }

  /** @internal Leaves the world to a run until that gives it back. @throws BusyError, DisposedError */
  lend(where: string): LentWorld {
    this.requireFree(where);
    this.lent = true;
    return {
      collectives: this.collectives,
      timeout: this.timeout,
      giveBack: () => {
        this.lent = false;
      },
    };
  }

  private require(method: string): void {
    this.requireFree(`world.${method}`);
  }

  private requireFree(where: string): void {
    if (this.left) throw new DisposedError(`${where}: this process has left its world`);
    if (this.lent) throw busy(where);
  }
}

function busy(where: string): BusyError {
  return new BusyError(`${where}: a run of training is using this world; await that one first`);
}
