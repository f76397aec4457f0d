/** How fast ranks exchange bytes: between two neighbours, and all together. */
import { allocate, disposeBuffer, type NativeBuffer } from '../native';
import { shardsOfRank, worldPingPong, worldSum } from '../native/world';
import type { World } from './world';

/** One size of message. */
export interface Timing {
  readonly bytes: number;
  /** From the first byte on one side to the last one on the other; of a sum: until all ranks have it. */
  readonly seconds: number;
}

export interface Link {
  /** `host`: both ranks are on one; `network`: on two. */
  readonly kind: 'host' | 'network';
  readonly ranks: readonly [number, number];
  readonly timings: readonly Timing[];
}

export interface Measured {
  /**
   * Between the first two neighbours on one host, and the first two on different ones, where there are any.
   */
  readonly links: readonly Link[];
  /** Sums of float32 of all ranks, as gradients are. */
  readonly sums: readonly Timing[];
}

const SIZES: readonly number[] = [1, 1 << 10, 1 << 16, 1 << 20, 1 << 24, 1 << 26];
const FLOAT = 4;

/** Bytes that are sent for one figure, and how many times a small message is, at most. */
const VOLUME = 1 << 25;
const MOST_ROUNDS = 200;

/** Collective. Takes a few seconds where a link carries 1 Gbit/s. @throws DistributedError */
export async function measure(world: World): Promise<Measured> {
  const buffer = allocate(SIZES.at(-1)!);
  try {
    const links: Link[] = [];
    for (const { kind, ranks } of neighbours(world.hosts))
      links.push({
        kind,
        ranks,
        timings: await timings(world, (n, rounds) => pingPong(buffer, n, ranks, rounds)),
      });
    const sums = world.size === 1 ? [] : await timings(world, (n, rounds) => sum(world, buffer, n, rounds));
    return { links, sums };
  } finally {
    disposeBuffer(buffer);
  }
}

function neighbours(hosts: readonly string[]): Omit<Link, 'timings'>[] {
  const places = hosts.slice(1).map((host, i) => ({ same: host === hosts[i], ranks: [i, i + 1] as const }));
  const [near, far] = [places.find(({ same }) => same), places.find(({ same }) => !same)];
  return [
    ...(near ? [{ kind: 'host' as const, ranks: near.ranks }] : []),
    ...(far ? [{ kind: 'network' as const, ranks: far.ranks }] : []),
  ];
}

/** Seconds of one exchange of each size, on all ranks the same: those of the slowest one. */
async function timings(
  world: World,
  exchange: (bytes: number, rounds: number) => Promise<number>,
): Promise<Timing[]> {
  const all: Timing[] = [];
  for (const bytes of SIZES) {
    const rounds = Math.min(MOST_ROUNDS, Math.max(1, VOLUME / bytes));
    await exchange(bytes, 1); // connections and pages are made by the first message
    await world.barrier();
    const begin = performance.now();
    const count = await exchange(bytes, rounds);
    const seconds = (performance.now() - begin) / 1000 / count;
    all.push({ bytes, seconds: Math.max(...(await world.gather(seconds))) });
  }
  return all;
}

/** Returns how many messages went one after the other. */
async function pingPong(
  buffer: NativeBuffer,
  bytes: number,
  [from, to]: readonly [number, number],
  rounds: number,
): Promise<number> {
  await worldPingPong(buffer, bytes, { from, to }, rounds);
  return 2 * rounds;
}

async function sum(world: World, buffer: NativeBuffer, bytes: number, rounds: number): Promise<number> {
  const [begin, end] = shardsOfRank(world.size, world.rank, world.size);
  const count = Math.max(1, bytes / FLOAT);
  const place = { buffer, byteOffset: 0 };
  for (let i = 0; i < rounds; i++)
    await worldSum(world.size, [{ begin, end, ...place }], Math.floor(count), place);
  return rounds;
}
