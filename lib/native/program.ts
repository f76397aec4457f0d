/** What a program is, as plain data: its tensors, its calls, and the memory that it reads and updates. */

export type DType = 'f32' | 'bf16' | 'f64' | 'u8' | 'i32';
/** `ref` is the float64 reference, where every operand of a floating type is f64. */
export type Target = 'native' | 'ref';
export type QueueName = 'train' | 'predict';
/** Values of tensors: what `data()` returns and `tensor` takes. */
export type AnyArray =
  Float32Array | Float64Array | Uint8Array | Uint8ClampedArray | Int32Array | Uint16Array;

/** The numbers of dtypes in {@link ProgramDesc.tensors}. */
export const DTYPE_CODES: Readonly<Record<DType, number>> = { f32: 0, bf16: 1, f64: 2, u8: 3, i32: 4 };
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, f64: 8, u8: 1, i32: 4 };
/** The most dimensions a tensor may have. */
export const MAX_RANK = 6;
/** Numbers in a row of {@link ProgramDesc.tensors}. */
export const TENSOR_ROW = 4 + MAX_RANK;

declare const bufferBrand: unique symbol;

/**
 * Memory that programs read and update in place. Freed by the garbage collector, or at once
 * by `disposeBuffer` of lib/native.ts.
 */
export interface NativeBuffer {
  readonly byteLength: number;
  readonly [bufferBrand]: true;
}

export interface CallDesc {
  readonly kernel: string;
  /** Operands: indexes of rows of {@link ProgramDesc.tensors}, inputs first, then outputs. */
  readonly tensors: readonly number[];
  /** How many of the operands, the last ones, are outputs. */
  readonly outputs: number;
  /** Attributes by the names that native/kernels/README.md lists. */
  readonly attrs: KernelAttrs;
}

/** Numbers of a kernel call that are fixed when its program is built. A flag is true or false. */
export type KernelAttrs = Readonly<Record<string, number | boolean | readonly number[]>>;

export interface ProgramDesc {
  readonly target: Target;
  readonly queue: QueueName;
  readonly arenaBytes: number;
  /** How many runtime scalars a run takes. */
  readonly scalars: number;
  readonly buffers: readonly NativeBuffer[];
  /** Byte length of each input. */
  readonly inputs: readonly number[];
  /**
   * Rows of `[place, byteOffset, dtype, rank, d0..d5]`. The place is an index into `buffers`, followed by the
   * results of constant calls in order; or -1 for the arena, -2 for the scalar block
   * (`byteOffset = 8 i`), -(3 + i) for input i. Byte offsets are multiples of the element size.
   */
  readonly tensors: Float64Array;
  readonly calls: readonly CallDesc[];
  /**
   * How many of the first calls are constant: they read only buffers that the program does not write, and
   * each other's results. They run again when such a buffer has changed. Their results are kept, and shared
   * by programs that need the same.
   */
  readonly constantCalls: number;
  /**
   * The first call of the commit section, which is skipped after a fault or a non-finite number, and
   * otherwise never cut short.
   */
  readonly commitStart: number;
  /** Tensors that are copied out at the end of a run. */
  readonly outputs: readonly number[];
}

/**
 * Calls as one table: rows of kernel, operands, operand..., outputs, attributes, (name, numbers,
 * number...)... Kernels and names are places in `names`.
 */
export function tableOf(calls: readonly CallDesc[]): { names: string[]; table: Float64Array } {
  const codes = new Map<string, number>();
  const table: number[] = [];
  const code = (name: string): number => {
    let known = codes.get(name);
    if (known === undefined) codes.set(name, (known = codes.size));
    return known;
  };
  for (const { kernel, tensors, outputs, attrs } of calls) {
    const named = Object.entries(attrs);
    table.push(code(kernel), tensors.length, ...tensors, outputs, named.length);
    for (const [name, value] of named) {
      const numbers = typeof value === 'object' ? value : [Number(value)];
      table.push(code(name), numbers.length, ...numbers);
    }
  }
  return { names: [...codes.keys()], table: Float64Array.from(table) };
}
