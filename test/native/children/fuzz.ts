/** Random programs and arguments: `fuzz.ts FIRST_SEED COUNT`. Anything may throw; nothing may crash. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as native from '../../../lib/native';

/** Every kernel name in the first column of the contract's tables. */
function kernelNames(): string[] {
  const text = readFileSync(join(__dirname, '../../../native/kernels/README.md'), 'utf8');
  const cells = [...text.matchAll(/^\| (`[^|]*`) \|/gm)].map((match) => match[1] ?? '');
  return cells.flatMap((cell) => cell.replaceAll('`', '').split(/[ /]+/));
}

/** mulberry32: small, good enough, the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const strange = [NaN, Infinity, -Infinity, -1, 0.5, -0, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 62, -(2 ** 53), 1e300];
const wrong: unknown[] = [undefined, null, {}, [], 'x', 1n, Symbol('s'), () => 1, new Uint8Array(3), ...strange];
const kernels = kernelNames();

function fuzz(seed: number): string {
  const random = randomOf(seed);
  const int = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(from: readonly T[]): T => from[int(0, from.length - 1)] as T;
  const rarely = (odds: number) => random() < odds;
  const odd = rarely(0.3) ? 0.03 : 0; // how often a number is replaced by a strange one

  const kernel = pick(kernels);
  const target = pick(['native', 'ref'] as const);
  const real = target === 'ref' ? 2 : 0;
  const rank = pick([0, 1, 2, 2, 4, 4, 4]);
  const common = Array.from({ length: 6 }, () => int(rarely(0.1) ? 0 : 1, 5));
  const count = int(1, 8);
  const table: number[] = [];
  for (let i = 0; i < count; i++) {
    const scalar = rarely(0.15);
    const dims = common.map((d) => (rarely(0.15) ? int(0, 6) : d));
    const own = scalar ? 0 : rarely(0.25) ? int(0, 6) : rank;
    const place = scalar ? -2 : pick([-1, -1, 0, 1, -3, -4]);
    const dtype = scalar ? 2 : rarely(0.25) ? int(0, 4) : real;
    const row = [place, 8 * int(0, scalar ? 5 : 40), dtype, own, ...dims.map((d, at) => (at < own ? d : 0))];
    table.push(...row.map((x) => (rarely(odd) ? pick(strange) : x)));
  }
  const attrs = Array.from({ length: int(0, 12) }, () => (rarely(0.05) ? pick(strange) : int(0, 3)));
  const buffers = [native.allocate(8192), native.allocate(4096)];
  const data = new Uint8Array(8192).map(() => int(0, 255));
  native.fillBufferNow(buffers[0] as native.NativeBuffer, 0, data);
  const program = native.createProgram({
    target,
    queue: pick(['train', 'predict'] as const),
    arenaBytes: rarely(odd) ? pick(strange) : 65536,
    scalars: rarely(odd) ? pick(strange) : 6,
    buffers,
    inputs: [4096, 4096],
    tensors: Float64Array.from(table),
    calls: [{ kernel, tensors: Array.from({ length: int(0, count) }, () => int(0, count - 1)), attrs }],
    commitStart: int(0, 2),
    outputs: [int(0, count)].filter((id) => id < count),
  });
  const inputs = [data.subarray(0, 4096), new Float32Array(1024).map(() => random())];
  const scalars = Float64Array.from({ length: 6 }, () => (rarely(0.1) ? pick(strange) : random()));
  native.runProgramSync(program, inputs, scalars);
  return kernel;
}

/** Every door with arguments of every wrong type. */
function fuzzDoors(seed: number): void {
  const random = randomOf(seed);
  const doors = [
    native.allocate,
    native.disposeBuffer,
    native.writeBuffer,
    native.writeBufferSync,
    native.fillBufferNow,
    native.readBuffer,
    native.readBufferSync,
    native.createProgram,
    native.runProgram,
    native.runProgramSync,
    native.profileProgram,
    native.cancelProgram,
    native.disposeProgram,
    native.setThreads,
  ] as unknown as ((...args: unknown[]) => unknown)[];
  const buffer = native.allocate(64);
  const values = [...wrong, buffer, 'f32', 0, 1, 8, new Float32Array(2)];
  for (const door of doors) {
    const args = Array.from({ length: Math.floor(random() * 5) }, () => values[Math.floor(random() * values.length)]);
    try {
      const result = door(...args);
      if (result instanceof Promise) result.catch(() => undefined);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
  native.setThreads(2);
}

const first = Number(process.argv[2]);
const ran = new Map<string, number>();
let refused = 0;
for (let seed = first; seed < first + Number(process.argv[3]); seed++) {
  if (process.env.FUZZ_VERBOSE) console.error(`seed ${seed}`);
  fuzzDoors(seed);
  try {
    const kernel = fuzz(seed);
    ran.set(kernel, (ran.get(kernel) ?? 0) + 1);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    refused++;
  }
}
const accepted = [...ran.values()].reduce((a, b) => a + b, 0);
console.log(JSON.stringify({ accepted, refused, kernels: ran.size, ran: Object.fromEntries(ran) }));
