/**
 * What an op's `lower` writes its kernel calls to. lib/compile implements it, and plans the memory of
 * the operands afterwards.
 */
import type { DType, KernelAttrs, Target } from '../native';
import type { Storage } from '../tensor/storage';
import type { TensorType } from '../tensor/tensor';
import type { Fused } from './facts';

/** The origin of a value that no op computes. */
export type Leaf =
  | {
      readonly kind: 'storage';
      readonly storage: Storage;
      /** Set for a module's tensor that no gradient trains: a frozen parameter, or a buffer. */
      readonly untrained?: boolean;
    }
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'scalar'; readonly get: () => number };

/** A piece of memory that calls read and write: a value of the graph, or scratch of one op. */
export interface Slot {
  readonly id: number;
  readonly bytes: number;
  /** Absent for memory in the arena. `constant`: kept between runs; lib/compile/constants.ts sets it. */
  leaf?: Leaf | { readonly kind: 'constant'; readonly index: number };
  /** Set if this slot is the memory of another one (views, updates in place). */
  alias?: Slot;
}

/** How a call sees a slot. Dims are physical. */
export interface Operand {
  readonly slot: Slot;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

export interface Lowering {
  readonly target: Target;
  readonly inputs: Operand[];
  readonly outputs: Operand[];
  readonly inputTypes: readonly TensorType[];
  readonly outputTypes: readonly TensorType[];
  /** What the kernel is to do besides the op itself. */
  readonly fused: Fused;

  /**
   * Appends one kernel call, with the attributes that the kernel declares (native/kernels/README.md).
   * `inPlace` lists the inputs whose memory output 0 may take over if nothing reads them later.
   */
  call(kernel: string, inputs: Operand[], outputs: Operand[], attrs?: KernelAttrs, inPlace?: number[]): void;

  /**
   * As `call`, where parts of a batch run together (`compileTogether`): they make one call, with the inputs
   * of all, the lists among their attributes joined, and the outputs of the first, which all then read.
   */
  callTogether(kernel: string, inputs: Operand[], outputs: Operand[], attrs: KernelAttrs): void;

  /** The name of the kernel for these operands: products of bf16 activations have kernels of their own. */
  forOperands(kernel: string): string;

  /** Scratch memory of this op. */
  temp(dims: readonly number[], dtype: DType): Operand;

  /** The same memory under other dims. */
  view(operand: Operand, dims: readonly number[]): Operand;

  /** Declares that an output is the memory of `operand`: a view, no call. */
  alias(output: Operand, operand: Operand): void;

  /** The dtype in memory: the reference target keeps f32 as f64. */
  stored(dtype: DType): DType;
}
