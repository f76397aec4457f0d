/** Small programs, described by hand, and child processes, for the tests of the runtime. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as native from '../../lib/native';

export type Row = readonly [place: number, byteOffset: number, dtype: native.DType, dims: readonly number[]];

export const ARENA = -1;
export const SCALAR = -2;
export const INPUT = -3;
export const noScalars = new Float64Array(0);

export function rows(tensors: readonly Row[]): Float64Array {
  const table = new Float64Array(tensors.length * native.TENSOR_ROW);
  tensors.forEach(([place, offset, dtype, dims], i) => {
    table.set([place, offset, native.DTYPE_CODES[dtype], dims.length, ...dims], i * native.TENSOR_ROW);
  });
  return table;
}

type Given = Partial<Omit<native.ProgramDesc, 'tensors'>> & { readonly tensors: readonly Row[] };

/** A description with everything not given empty. */
export function programOf(given: Given): native.ProgramDesc {
  return {
    target: 'native',
    queue: 'train',
    arenaBytes: 0,
    scalars: 0,
    buffers: [],
    inputs: [],
    calls: [],
    constantCalls: 0,
    commitStart: given.calls?.length ?? 0,
    outputs: [],
    ...given,
    tensors: rows(given.tensors),
  };
}

export interface AdderOptions {
  /** How many times it adds. */
  readonly repeat?: number;
  readonly queue?: native.QueueName;
  readonly commitStart?: number;
}

/** counter += by over its n elements, `repeat` times: a program that runs as long as one likes. */
export function adder(
  counter: native.NativeBuffer,
  n: number,
  by: number,
  { repeat = 1, queue = 'train', commitStart = repeat + 1 }: AdderOptions = {},
): native.ProgramHandle {
  return native.createProgram(
    programOf({
      queue,
      commitStart,
      buffers: [counter],
      arenaBytes: 4 * n,
      tensors: [
        [0, 0, 'f32', [n]],
        [ARENA, 0, 'f32', [n]],
      ],
      calls: [
        { kernel: 'affine', tensors: [0, 1], outputs: 1, attrs: { scale: 0, shift: by } },
        ...Array.from({ length: repeat }, () => ({
          kernel: 'add',
          tensors: [0, 1, 0],
          outputs: 1,
          attrs: {},
        })),
      ],
      outputs: [0],
    }),
  );
}

export interface Child {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** Runs children/<name>.ts in a node process of its own. */
export function runChild(name: string, { args = [], env = {}, flags = [] }: ChildOptions = {}): Child {
  const folder = join(__dirname, 'children');
  const script = ['-r', join(folder, 'register.js'), join(folder, `${name}.ts`)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, ...script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 240_000,
  });
  return { status, signal, stdout, stderr, endedAt: Date.now() };
}
