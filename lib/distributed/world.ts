/** The ranks of a job, and what they do together. */
import { DataError, DisposedError, OptionError } from '../errors';
import type { AnyArray } from '../native';
import { typedArrayTag } from '../native/typed-array';
import {
  leaveWorld,
  shardsOfRank,
  worldBarrier,
  worldBroadcast,
  worldGather,
  worldSum,
  type Membership,
} from '../native/world';
import { checkKeys, checkList, nonNegativeInteger, positiveInteger, show } from '../options';
import { Exchanged, bytesOf } from './exchanged';

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

const LENGTH = 8;

/**
 * The ranks of a job, each of them a process, as {@link join} makes it. Its methods are collective: all ranks
 * call the same ones in the same order, and each returns once this rank's part is done. When a rank hangs, or
 * ends, or calls something else, they reject with a DistributedError that names it, and two seconds
 * later all ranks end.
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

  private left: Promise<void> | undefined;

  /** @internal */
  constructor(membership: Membership, host: string) {
    const { rank, size, hosts, file, abi, version } = membership;
    this.rank = rank;
    this.size = size;
    this.hosts = hosts.length > 0 ? hosts : [host];
    this.mpi = abi === '' ? undefined : { file, abi, version: version.split(/[\n\0]/)[0] ?? '' };
  }

  /** Waits until all ranks have come to it. @throws DistributedError */
  async barrier(): Promise<void> {
    this.require('barrier');
    await worldBarrier();
  }

  /**
   * Copies the values of rank `root` to all others, whose arrays have the same length.
   * @returns the values, in an array of its own
   * @throws DistributedError also where lengths differ
   */
  async broadcast<T extends AnyArray>(values: T, options: BroadcastOptions = {}): Promise<T> {
    this.require('broadcast');
    checkKeys('world.broadcast', options, ['root']);
    const bytes = bytesOf('world.broadcast', values);
    const root = nonNegativeInteger('world.broadcast', 'root', options.root ?? 0);
    if (root >= this.size)
      throw new OptionError(
        `world.broadcast: root must be below ${this.size}, the size of the world, got ${root}`,
      );
    const exchanged = new Exchanged('world.broadcast', bytes.byteLength);
    return exchanged.use(async (buffer) => {
      await exchanged.fill(0, bytes);
      await worldBroadcast(buffer, 0, bytes.byteLength, root);
      return exchanged.read(values);
    });
  }

  /**
   * Collects one value of each rank, on all of them. A value is anything that JSON can hold.
   * @returns the values, in the order of ranks
   * @throws DataError for a value that JSON cannot hold
   */
  async gather<T>(value: T): Promise<T[]> {
    this.require('gather');
    const mine = encode(value);
    const lengths = await this.gatherLengths(mine.byteLength);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const starts = lengths.map((_, r) => lengths.slice(0, r).reduce((sum, length) => sum + length, 0));
    const exchanged = new Exchanged('world.gather', total);
    const all = await exchanged.use(async (buffer) => {
      await exchanged.fill(starts[this.rank] ?? 0, mine);
      await worldGather(buffer, 0, lengths);
      return exchanged.read(new Uint8Array(total));
    });
    const text = new TextDecoder();
    return lengths.map((length, r) => {
      const start = starts[r] ?? 0;
      return JSON.parse(text.decode(all.subarray(start, start + length))) as T;
    });
  }

  /**
   * The shards [begin, end) that this rank owns of so many: their numbers differ by at most
   * one between ranks.
   */
  shards(shards: number): { readonly begin: number; readonly end: number } {
    positiveInteger('world.shards', 'shards', shards);
    const [begin, end] = shardsOfRank(shards, this.rank, this.size);
    return { begin, end };
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
    const { begin, count } = this.checkShards(values, shards);
    const bytes = count * Float32Array.BYTES_PER_ELEMENT;
    const exchanged = new Exchanged('world.sum', Math.max(1, values.length) * bytes);
    return exchanged.use(async (buffer) => {
      for (const [i, array] of values.entries()) await exchanged.fill(i * bytes, bytesOf('world.sum', array));
      const nodes = values.map((_, i) => ({
        begin: begin + i,
        end: begin + i + 1,
        buffer,
        byteOffset: i * bytes,
      }));
      await worldSum(shards, nodes, count, { buffer, byteOffset: 0 });
      return exchanged.read(new Float32Array(count));
    });
  }

  /**
   * Ends this rank's part in the job, once all ranks have come to it. Nothing can be exchanged afterwards,
   * and a process joins only once. A second call waits for the first. A program that ends by itself needs no
   * call: it leaves at its end.
   */
  leave(): Promise<void> {
    this.left ??= leaveWorld();
    return this.left;
  }

  private require(method: string): void {
    if (this.left) throw new DisposedError(`world.${method}: this process has left its world`);
  }

  private checkShards(values: readonly Float32Array[], shards: number): { begin: number; count: number } {
    checkList('world.sum', 'values', values);
    if (shards < this.size)
      throw new OptionError(
        `world.sum: shards must be at least ${this.size}, the size of the world, got ${shards}`,
      );
    const { begin, end } = this.shards(shards);
    if (values.length !== end - begin)
      throw new DataError(
        `world.sum: rank ${this.rank} owns ${end - begin} of ${shards} shards, got ${values.length} arrays`,
      );
    const count = values[0]?.length ?? 0;
    for (const array of values) {
      if (typedArrayTag(array) !== 'Float32Array')
        throw new DataError(`world.sum: expected a Float32Array for each shard, got ${show(array)}`);
      if (array.length !== count)
        throw new DataError(`world.sum: arrays of ${count} and ${array.length} numbers`);
    }
    return { begin, count };
  }

  private async gatherLengths(mine: number): Promise<number[]> {
    const exchanged = new Exchanged('world.gather', LENGTH * this.size);
    const all = await exchanged.use(async (buffer) => {
      await exchanged.fill(LENGTH * this.rank, new Uint8Array(Float64Array.of(mine).buffer));
      await worldGather(
        buffer,
        0,
        Array.from({ length: this.size }, () => LENGTH),
      );
      return exchanged.read(new Float64Array(this.size));
    });
    return [...all];
  }
}

function encode(value: unknown): Uint8Array {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new DataError('world.gather: JSON cannot hold this value', { cause });
  }
  if (typeof text !== 'string') throw new DataError(`world.gather: JSON cannot hold ${show(value)}`);
  return new TextEncoder().encode(text);
}
