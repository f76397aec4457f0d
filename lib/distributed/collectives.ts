/** What the ranks of a job do together. All call the same methods in the same order. */
import { DataError, OptionError } from '../errors';
import type { AnyArray } from '../native';
import { typedArrayTag } from '../native/typed-array';
import {
  giveUpWorld,
  shardsOfRank,
  worldBarrier,
  worldBroadcast,
  worldGather,
  worldSum,
} from '../native/world';
import { checkList, nonNegativeInteger, positiveInteger, show } from '../options';
import { Exchanged, bytesOf } from './exchanged';

const LENGTH = 8;

export class Collectives {
  /** @param hosts the host of each rank */
  constructor(
    readonly rank: number,
    readonly hosts: readonly string[],
  ) {}

  get size(): number {
    return this.hosts.length;
  }

  barrier(): Promise<void> {
    return worldBarrier();
  }

  /** @throws OptionError, DataError, DistributedError */
  async broadcast<T extends AnyArray>(values: T, from: number): Promise<T> {
    const bytes = bytesOf('world.broadcast', values);
    const root = nonNegativeInteger('world.broadcast', 'root', from);
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

  /** @throws DataError for a value that JSON cannot hold, DistributedError */
  async gather<T>(value: T): Promise<T[]> {
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

  /** The shards [begin, end) of so many that this rank owns. @throws OptionError */
  shards(shards: number): { readonly begin: number; readonly end: number } {
    positiveInteger('world.shards', 'shards', shards);
    const [begin, end] = shardsOfRank(shards, this.rank, this.size);
    return { begin, end };
  }

  /** @throws OptionError, DataError, DistributedError */
  async sum(values: readonly Float32Array[], shards: number): Promise<Float32Array> {
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

  /** Not collective: this rank will come to no other operation, and all ranks end two seconds later. */
  giveUp(): Promise<void> {
    return giveUpWorld();
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
