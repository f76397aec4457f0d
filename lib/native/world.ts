/** The addon's door to other processes, typed. One communication thread runs these calls in their order. */
import { attempt, attemptAsync, use } from './door';
import type { NativeBuffer } from './program';

/** What a process knows of its job once it has joined. */
export interface Membership {
  readonly rank: number;
  readonly size: number;
  /** The host of each rank; none in a world of one. */
  readonly hosts: readonly string[];
  /** The library of MPI, its binary interface and how it describes itself; '' in a world of one. */
  readonly file: string;
  readonly abi: '' | 'openmpi' | 'mpich' | 'standard';
  readonly version: string;
}

/** The i-th numbers of a node of the tree of shards: those of shards [begin, end), summed. */
export interface NodeValues {
  readonly begin: number;
  readonly end: number;
  readonly buffer: NativeBuffer;
  readonly byteOffset: number;
}

/** A library of MPI, or why tenon cannot use it. */
export type FoundLibrary =
  | {
      readonly file: string;
      readonly abi: 'openmpi' | 'mpich' | 'standard';
      readonly version: string;
      readonly problem?: undefined;
    }
  | { readonly problem: string };

/** The first line of what a library says of itself. */
export function firstLine(text: string): string {
  return text.split(/[\n\0]/)[0] ?? '';
}

interface WorldAddon {
  joinWorld(libraries: readonly string[], size: number, answer: number, arrival: number): Promise<Membership>;
  worldBarrier(): Promise<void>;
  worldBroadcast(buffer: NativeBuffer, byteOffset: number, bytes: number, root: number): Promise<void>;
  worldGather(buffer: NativeBuffer, byteOffset: number, sizes: Float64Array): Promise<void>;
  worldSum(
    shards: number,
    nodes: Float64Array,
    buffers: readonly NativeBuffer[],
    byteOffsets: Float64Array,
    count: number,
    out: NativeBuffer,
    outByteOffset: number,
  ): Promise<void>;
  worldPingPong(buffer: NativeBuffer, bytes: number, from: number, to: number, rounds: number): Promise<void>;
  lookAtMpi(library: string): FoundLibrary;
  shardsOfRank(shards: number, rank: number, ranks: number): [number, number];
  leaveWorld(): Promise<void>;
  giveUpWorld(): Promise<void>;
}

function addon(): WorldAddon {
  return use().addon as WorldAddon;
}

/** Loads the first of these libraries that is there and initializes it; of none, makes a world of one. */
export function joinWorld(
  libraries: readonly string[],
  options: { readonly size: number; readonly answer: number; readonly arrival: number },
): Promise<Membership> {
  return attemptAsync(() => addon().joinWorld(libraries, options.size, options.answer, options.arrival));
}

export function worldBarrier(): Promise<void> {
  return attemptAsync(() => addon().worldBarrier());
}

export function worldBroadcast(
  buffer: NativeBuffer,
  byteOffset: number,
  bytes: number,
  root: number,
): Promise<void> {
  return attemptAsync(() => addon().worldBroadcast(buffer, byteOffset, bytes, root));
}

/** Rank r has `sizes[r]` bytes in the buffer, one behind the other; this rank's are there already. */
export function worldGather(
  buffer: NativeBuffer,
  byteOffset: number,
  sizes: readonly number[],
): Promise<void> {
  return attemptAsync(() => addon().worldGather(buffer, byteOffset, Float64Array.from(sizes)));
}

/**
 * Sums `count` floats of all shards along their tree, on all ranks. `nodes` are sums that add up to the
 * shards of this rank, from left to right. `out` may be the memory of one of them.
 */
export function worldSum(
  shards: number,
  nodes: readonly NodeValues[],
  count: number,
  out: { readonly buffer: NativeBuffer; readonly byteOffset: number },
): Promise<void> {
  return attemptAsync(() =>
    addon().worldSum(
      shards,
      Float64Array.from(nodes.flatMap(({ begin, end }) => [begin, end])),
      nodes.map(({ buffer }) => buffer),
      Float64Array.from(nodes, ({ byteOffset }) => byteOffset),
      count,
      out.buffer,
      out.byteOffset,
    ),
  );
}

/**
 * The first bytes of the buffer go from one rank to another and back, so many times; other ranks have nothing
 * to do.
 */
export function worldPingPong(
  buffer: NativeBuffer,
  bytes: number,
  pair: { readonly from: number; readonly to: number },
  rounds: number,
): Promise<void> {
  return attemptAsync(() => addon().worldPingPong(buffer, bytes, pair.from, pair.to, rounds));
}

/** Loads a library of MPI to see what it is. It stays loaded, and is not initialized. */
export function lookAtMpi(library: string): FoundLibrary {
  return attempt(() => addon().lookAtMpi(library));
}

/** The shards [begin, end) of a rank. */
export function shardsOfRank(shards: number, rank: number, ranks: number): [number, number] {
  return attempt(() => addon().shardsOfRank(shards, rank, ranks));
}

export function leaveWorld(): Promise<void> {
  return attemptAsync(() => addon().leaveWorld());
}

/**
 * Says that the program of this rank has failed and will come to no other operation: whoever waits for it
 * learns of it, and two seconds later all ranks end.
 */
export function giveUpWorld(): Promise<void> {
  return attemptAsync(() => addon().giveUpWorld());
}
