/**
 * What an op says about itself to the passes that rewrite graphs (lib/compile/passes). No pass knows an op
 * by its name.
 */
import type { Shape } from '../tensor/shape';

/**
 * How an op treats bf16 in a program of mixed precision (lib/compile/passes/precision.ts). This concerns
 * storage only: arithmetic is f32 throughout.
 *
 * `'f32'`: the op takes and returns f32, with casts around it. This is right for every op, and the only
 * choice for losses, statistics and updates of parameters.
 */
export type Bf16 =
  | 'f32'
  /**
   * A product of activations: `operands` are stored as bf16, the inputs `free` as they come, and all others
   * (parameters) as f32. Output 0 is f32, or 'either': bf16 if a reader takes that, else f32. Where
   * `staysF32` has a reason, which profiles show, the op is as `'f32'`.
   */
  | {
      readonly kind: 'product';
      readonly operands: readonly number[];
      readonly free?: readonly number[];
      readonly output: 'f32' | 'either';
      readonly staysF32?: (shapes: ProductShapes) => string | undefined;
    }
  /** Reads input 0 as it comes. */
  | { readonly kind: 'reader'; readonly output: 'f32' | 'either' }
  /**
   * Inputs `group` (default: all) and output 0 have one type: bf16 if all of `from` (default: the group) are
   * bf16, else f32. Other inputs are f32, and so is output 0 where `output` says it.
   */
  | {
      readonly kind: 'alike';
      readonly group?: readonly number[];
      readonly from?: readonly number[];
      readonly output?: 'f32';
    };

export interface ProductShapes {
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  /** Weights are packed once for many runs. */
  readonly predict: boolean;
}

/** All inputs and output 0 have one type: pointwise functions, and ops that only move elements. */
export const alike: Bf16 = { kind: 'alike' };

/** Input 0 and output 0 have one type; the other inputs are parameters or numbers. */
export const firstAlike: Bf16 = { kind: 'alike', group: [0] };

/**
 * Backward of the two above: the gradient, input 0, takes the type of input 1, which the forward pass saved.
 */
export const savedAlike: Bf16 = { kind: 'alike', group: [0, 1], from: [1] };

/** Codes of the activations that kernels can apply to a result as they store it: native/kernels/README.md. */
export const activations = { relu: 1, relu6: 2, tanh: 3, sigmoid: 4 } as const;

export type Activation = (typeof activations)[keyof typeof activations];

/** What passes have moved into the kernel of a node besides the node's own op. */
export interface Fused {
  /** 0: none. */
  readonly activation: Activation | 0;
  /**
   * Forward: the last input is added before the activation. Backward: the last output is
   * the residual's gradient.
   */
  readonly residual: boolean;
  /**
   * Backward: what the last input but an addend is, which tells where the activation lets gradients through.
   * It is the activation's output, or beta, from which the kernel computes the sign of that output again.
   */
  readonly mask: 'output' | 'beta';
  /** Backward, with a residual: the gradient comes in two parts, input 0 and the last input. */
  readonly addend: boolean;
}

export const nothingFused: Fused = { activation: 0, residual: false, mask: 'output', addend: false };

/** Operands of a batch norm, and of its backward. */
export interface NormOperands<T> {
  readonly x: T;
  readonly gamma: T;
  readonly mean: T;
  readonly variance: T;
}

/**
 * A batch norm. Its kernel can add a residual of x's shape, given as the last input, and then
 * apply an activation.
 */
export interface NormFact<A> {
  readonly operands: <T>(
    inputs: readonly T[],
    outputs: readonly T[],
  ) => NormOperands<T> & { readonly beta: T };
  /** Present for a norm with given statistics, which can be folded into the layer before it. */
  readonly eps?: (attrs: A) => number;
}

/** The backward of a batch norm: dy is input 0. */
export interface NormBackwardFact {
  readonly operands: <T>(inputs: readonly T[]) => NormOperands<T>;
  /** The activations whose mask its kernel can apply to dy. */
  readonly masks: readonly Activation[];
}

/** Steps and borders of a two-dimensional convolution, and the algorithm that the user asks for. */
export interface ConvolutionGeometry {
  readonly stride: readonly [number, number];
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly algorithm: 'auto' | 'im2col' | 'direct' | 'winograd';
}

/**
 * A layer with inputs x, weight [O, ...] and perhaps bias [O], into which a batch norm with given
 * statistics can be folded. `addsResidual`: whether the kernel can add a residual, given as the last input,
 * before an activation.
 */
export interface LayerFact<A> {
  readonly addsResidual: (attrs: A) => boolean;
  /** Present for a convolution. */
  readonly convolution?: (attrs: A) => ConvolutionGeometry;
}

/** How an optimizer updates one parameter. */
export interface UpdateForm {
  /** How many runtime scalars come before the other operands. */
  readonly scalars: number;
  /** How many states a parameter has. */
  readonly states: number;
  /** Attributes of the kernel. */
  readonly flags: Readonly<Record<string, boolean>>;
}

/** Attributes and operands for a node. */
export interface Part<A, T> {
  readonly attrs: A;
  readonly inputs: T[];
  readonly outputs: T[];
}

/**
 * What an op says about itself to the passes. Only `bf16` is required; without one of the other facts, passes
 * leave the op as it is.
 */
export interface Facts<A> {
  /** How it treats bf16; `'f32'` is right for every op. */
  readonly bf16: Bf16;
  /** Kernels can apply this op as they store their result; its gradient follows from its output. */
  readonly activation?: Activation;
  /**
   * The op is the gradient of this activation: it sets the elements of dy (input 0) to zero where y (input 1)
   * says so, and passes on the others.
   */
  readonly masks?: Activation;
  /** The activations that its kernel can apply to output 0. */
  readonly applies?: readonly Activation[];
  readonly layer?: LayerFact<A>;
  readonly norm?: NormFact<A>;
  readonly normBackward?: NormBackwardFact;
  /** The op is the sum of its two inputs. */
  readonly adds?: true;
  /** The op sums input 0 down to the output's shape, times a number. */
  readonly sums?: true;
  /**
   * The backward of max pooling: puts the elements of dy (input 0) among zeros, at the places that the
   * pooling's output 1 (input 1) holds. Returns whether every element has a place.
   */
  readonly spreads?: (attrs: A) => boolean;
  /** How many outputs its kernel always computes. It leaves out later outputs that nobody reads. */
  readonly leastOutputs?: number;
  /** The op is the product a^T b of its two inputs. */
  readonly product?: true;
  /** The op is the sum of the squares of all elements of its inputs. */
  readonly squares?: true;
  /**
   * Takes one parameter, whose gradient is a product, out of an update of several. `split` updates that
   * parameter: it is for sgdProductOp (lib/ops/update.ts), which reads the factors of the product. `rest` is
   * the update without it. Returns undefined if the update cannot be split.
   */
  readonly splits?: <T>(
    attrs: A,
    inputs: readonly T[],
    outputs: readonly T[],
    gradient: T,
    factors: readonly T[],
  ) => { readonly rest: Part<A, T>; readonly split: Part<UpdateForm, T> } | undefined;
  /** Its output may be the memory of its first input under another shape. */
  readonly view?: true;
  /**
   * `gate`: runs right before the commit section, and may cancel it. `early`: runs as soon as its inputs are
   * there, in the order in which such nodes were recorded. It updates its state then, whether or not the run
   * commits anything.
   */
  readonly schedule?: 'gate' | 'early';
}
