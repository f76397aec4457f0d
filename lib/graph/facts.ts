/** What an op says about itself to the passes that rewrite graphs (lib/compile/passes). No pass knows an op by its name. */

/**
 * How an op treats bf16 in a program of mixed precision (lib/compile/passes/precision.ts). Only storage is meant: arithmetic is f32
 * throughout.
 *
 * `'f32'` takes f32 and returns f32, with casts around it. It is right for every op, and the only choice for losses, statistics and
 * updates of parameters.
 */
export type Bf16 =
  | 'f32'
  /**
   * A product of activations: `operands` are stored as bf16, the inputs `free` as they come, and all others (parameters) as f32.
   * Output 0 is f32, or 'either': bf16 where a reader takes that, else f32.
   */
  | {
      readonly kind: 'product';
      readonly operands: readonly number[];
      readonly free?: readonly number[];
      readonly output: 'f32' | 'either';
    }
  /** Reads input 0 as it comes. */
  | { readonly kind: 'reader'; readonly output: 'f32' | 'either' }
  /** Inputs `group` (default: all) and output 0 have one type: bf16 where all of `from` (default: the group) are. Others are f32. */
  | { readonly kind: 'alike'; readonly group?: readonly number[]; readonly from?: readonly number[] };

/** All inputs and output 0 have one type: pointwise functions, and ops that only move elements. */
export const alike: Bf16 = { kind: 'alike' };

/** Input 0 and output 0 have one type; the other inputs are parameters or numbers. */
export const firstAlike: Bf16 = { kind: 'alike', group: [0] };

/** Backward of the two above: the gradient, input 0, takes the type of input 1, which the forward pass saved. */
export const savedAlike: Bf16 = { kind: 'alike', group: [0, 1], from: [1] };
