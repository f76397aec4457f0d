/**
 * One rank of a job, started by mpirun: `node -r register.js rank.ts SCENARIO`. Prints one line of JSON: what
 * the scenario returned, or the error that it threw.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import '../../../lib/compile/evaluate';
import { join, type World } from '../../../lib/distributed';
import { info } from '../../../lib/native';

const QUICK = { timeout: 3, answerTimeout: 2 };

/** Numbers whose sum depends on the order of additions, of shard `shard`. */
function shard(shard: number, count: number): Float32Array {
  let state = shard * 7919 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * (state % 3 === 0 ? 1e6 : 1);
  });
}

const hash = (array: Float32Array) => createHash('sha256').update(new Uint8Array(array.buffer)).digest('hex');

async function sums(world: World): Promise<unknown> {
  const hashes: Record<string, string> = {};
  for (const shards of [4, 7]) {
    for (const count of [1, 1000, 300_001]) {
      const { begin, end } = world.shards(shards);
      const mine = Array.from({ length: end - begin }, (_, i) => shard(begin + i, count));
      hashes[`${shards} ${count}`] = hash(await world.sum(mine, { shards }));
    }
  }
  return hashes;
}

async function everything(world: World): Promise<unknown> {
  await world.barrier();
  const large = Float64Array.from({ length: 700_000 }, (_, i) =>
    world.rank === Math.min(1, world.size - 1) ? Math.sqrt(i) : -1,
  );
  const got = await world.broadcast(large, { root: Math.min(1, world.size - 1) });
  const texts = await world.gather({ rank: world.rank, text: 'ü'.repeat(world.rank * 100_000) });
  return {
    rank: world.rank,
    size: world.size,
    hosts: world.hosts.length,
    abi: world.mpi?.abi,
    file: world.mpi?.file,
    broadcast: got.every((value, i) => value === Math.sqrt(i)),
    bytes: [...(await world.broadcast(Uint8ClampedArray.of(world.rank + 7)))],
    gather: texts.every(({ rank, text }, r) => rank === r && text.length === r * 100_000),
  };
}

/** The part of the global that TypeScript knows as a type of browsers. */
interface Engine {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: { readonly f: () => number } };
  };
}

/** `(func (export "f") (result i32) (i32.load (i32.const -1)))` over one page of memory. */
const READS_OUTSIDE =
  '0061736d01000000010501600001' + '7f03020100050301000107050101660000' + '0a0901070041' + '7f2802000b';

/** A fault of WebAssembly, which V8 catches by SIGSEGV. */
function trap(): string {
  const { WebAssembly } = globalThis as unknown as Engine;
  try {
    const module = new WebAssembly.Module(Buffer.from(READS_OUTSIDE, 'hex'));
    return String(new WebAssembly.Instance(module).exports.f());
  } catch (error) {
    return (error as Error).message;
  }
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  everything: async () => everything(await join()),
  sums: async () => sums(await join()),
  threads: async () => {
    await join();
    return [info().threads];
  },
  trap: async () => {
    await join();
    return trap();
  },
  rules: async () => {
    const world = await join();
    const codes = [await codeOf(join())];
    await world.leave();
    await world.leave();
    return [...codes, await codeOf(world.barrier()), await codeOf(world.gather(1)), await codeOf(join())];
  },
  // What ranks do wrong.
  'other operation': async () => {
    const world = await join(QUICK);
    await (world.rank === 0 ? world.barrier() : world.gather(0));
  },
  'other size': async () => {
    const world = await join(QUICK);
    await world.broadcast(new Float32Array(world.rank === 0 ? 5 : 6));
  },
  absent: async () => {
    const world = await join(QUICK);
    if (world.rank === 1) await sleep(60_000);
    await world.barrier();
  },
  late: async () => {
    const world = await join({ timeout: 30, answerTimeout: 2 });
    if (world.rank === 1) await sleep(5000);
    await world.barrier();
    return 'came';
  },
  killed: async () => {
    const world = await join(QUICK);
    await world.barrier();
    if (world.rank === 1) process.kill(process.pid, 'SIGKILL');
    for (;;) await world.barrier();
  },
  stopped: async () => {
    const world = await join(QUICK);
    await world.barrier();
    if (world.rank === 1) process.kill(process.pid, 'SIGSTOP');
    for (;;) await world.barrier();
  },
  // Stopped and continued as a whole, for longer than the limits.
  suspended: async () => {
    const world = await join({ timeout: 6, answerTimeout: 2 });
    const pids = (await world.gather(process.pid)).join(' ');
    if (world.rank === 0) {
      const script = `sleep 1; kill -STOP ${pids}; sleep 8; kill -CONT ${pids}`;
      spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' });
    }
    // After three seconds in which it ran.
    for (let i = 0; world.rank === 1 && i < 30; i++) await sleep(100);
    await world.barrier();
    return 'came';
  },
  throws: async () => {
    const world = await join(QUICK);
    if (world.rank === 1) throw new Error('of its own');
    await world.barrier();
  },
};

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error as { code: string }).code,
  );
}

/** At once: several ranks share the stream, and a rank may be killed any time. */
function say(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

const run = SCENARIOS[process.argv[2] ?? ''];
if (!run) throw new Error(`no scenario ${process.argv[2]}`);
run().then(
  (result) => say(result ?? 'done'),
  (error: unknown) => {
    say({ code: (error as { code?: string }).code, message: (error as Error).message });
    process.exitCode = 1;
  },
);
