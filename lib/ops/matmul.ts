/**
 * Matrix products: matmul for two matrices (or stacks of them), linear for a layer with
 * PyTorch's weight layout.
 */
import { ShapeError } from '../errors';
import { activations, type ProductShapes } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { KernelAttrs } from '../native';
import { bool, checkKeys } from '../options';
import { formatShape, numel } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';
import { sum } from './reduce';
import { reshape } from './shape-ops';

interface MatmulAttrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Attributes of the kernel, with what is not given left out of the product. */
export function productAttrs(given: KernelAttrs): KernelAttrs {
  return { transposeA: false, transposeB: false, hasBias: false, activation: 0, ...given };
}

/**
 * Weights are read as f32 and rounded in every step of training, which takes as long as multiplying a few
 * dozen rows by them. Predictions round them once, and large ones are then half the bytes to read.
 */
function staysF32(rows: number, { inputs, predict }: ProductShapes): string | undefined {
  const LEAST_ROWS = 64;
  const LARGE = 1 << 20; // weights that no cache next to a core holds
  if (rows >= LEAST_ROWS || (predict && numel(inputs[1]!) >= LARGE)) return undefined;
  return `fp32: fewer than ${LEAST_ROWS} rows`;
}

const matmulOp: OpRecord<MatmulAttrs> = {
  name: 'matmul',
  bf16: {
    kind: 'product',
    operands: [0],
    free: [1],
    output: 'either',
    staysF32: (shapes) => staysF32(shapes.output.at(-2)!, shapes),
  },
  infer: ([a, b], { transposeA, transposeB }) => {
    for (const [name, t] of [
      ['a', a!],
      ['b', b!],
    ] as const) {
      checkDType('matmul', name, t, 'f32');
      checkRank('matmul', name, t, 2, 3);
    }
    const [m, k] = matrixDims(a!, transposeA);
    const [k2, n] = matrixDims(b!, transposeB);
    const batches = a!.shape.slice(0, -2);
    if (k !== k2 || a!.rank !== b!.rank || batches[0] !== b!.shape.slice(0, -2)[0]) {
      throw new ShapeError(`matmul: ${describe(a!, transposeA)} does not fit ${describe(b!, transposeB)}`);
    }
    return [{ shape: [...batches, m, n], dtype: 'f32' }];
  },
  // C = op(A) op(B): dA = dC op(B)^T and dB = op(A)^T dC, transposed themselves where the operand was.
  grad: ({ inputs: [a, b], grads: [dy], attrs: { transposeA, transposeB }, wanted }) => [
    wanted[0]
      ? transposeA
        ? matmul(b!, dy!, { transposeA: transposeB, transposeB: true })
        : matmul(dy!, b!, { transposeB: !transposeB })
      : null,
    wanted[1]
      ? transposeB
        ? matmul(dy!, a!, { transposeA: true, transposeB: transposeA })
        : matmul(a!, dy!, { transposeA: !transposeA })
      : null,
  ],
  lower: (l, { transposeA, transposeB }) =>
    l.call(l.forOperands('matmul'), l.inputs, l.outputs, productAttrs({ transposeA, transposeB })),
};

function matrixDims(t: Tensor, transposed: boolean): [number, number] {
  const [rows, columns] = t.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

function describe(t: Tensor, transposed: boolean): string {
  return formatShape(t.shape) + (transposed ? ' transposed' : '');
}

/**
 * op(a) op(b) of matrices [M, K] and [K, N], or of stacks [B, M, K] and [B, K, N]; `transpose` options turn
 * an operand over first.
 * @throws ShapeError, DTypeError, OptionError
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean } = {},
): Tensor {
  checkKeys('matmul', options, ['transposeA', 'transposeB']);
  const transposeA = bool('matmul', 'transposeA', options.transposeA ?? false);
  const transposeB = bool('matmul', 'transposeB', options.transposeB ?? false);
  return first(applyOp(matmulOp, [a, b], { transposeA, transposeB }));
}

const linearOp: OpRecord<null> = {
  name: 'linear',
  bf16: {
    kind: 'product',
    operands: [0],
    output: 'either',
    staysF32: (shapes) => staysF32(shapes.output[0]!, shapes),
  },
  applies: Object.values(activations),
  layer: { addsResidual: () => false },
  infer: ([x, w, b]) => {
    checkDType('linear', 'x', x!, 'f32');
    checkRank('linear', 'x', x!, 2);
    checkRank('linear', 'weight', w!, 2);
    const [out, inn] = w!.shape as [number, number];
    if (x!.shape[1] !== inn) {
      throw new ShapeError(`linear: weight expects ${inn} input features, x is ${formatShape(x!.shape)}`);
    }
    if (b !== undefined && (b.rank !== 1 || b.shape[0] !== out)) {
      throw new ShapeError(`linear: bias must be [${out}], got ${formatShape(b.shape)}`);
    }
    return [{ shape: [x!.shape[0]!, out], dtype: 'f32' }];
  },
  grad: ({ inputs: [x, w, b], grads: [dy], wanted }) => {
    const dx = wanted[0] ? matmul(dy!, w!) : null;
    const dw = wanted[1] ? first(applyOp(linearBackwardWeightsOp, [dy!, x!], null)) : null;
    return b === undefined ? [dx, dw] : [dx, dw, wanted[2] ? sum(dy!, { axes: 0 }) : null];
  },
  lower: (l) => {
    const [, , bias] = l.inputs;
    const { activation } = l.fused;
    const attrs = productAttrs({ transposeB: true, hasBias: bias !== undefined, activation });
    l.call(l.forOperands('matmul'), l.inputs, l.outputs, attrs);
  },
};

/** dy^T x: a product of its own, because it is f32 in every precision. */
const linearBackwardWeightsOp: OpRecord<null> = {
  name: 'linear_backward_weights',
  bf16: {
    kind: 'product',
    operands: [0, 1],
    output: 'f32',
    staysF32: (shapes) => staysF32(shapes.inputs[0]![0]!, shapes),
  },
  product: true,
  infer: ([dy, x]) => [{ shape: [dy!.shape[1]!, x!.shape[1]!], dtype: 'f32' }],
  lower: (l) => l.call(l.forOperands('matmul'), l.inputs, l.outputs, productAttrs({ transposeA: true })),
};

/**
 * x weight^T + bias: x [..., in], weight [out, in] and bias [out] as in PyTorch; the result is [..., out].
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkTensor('linear', 'x', x);
  checkTensor('linear', 'weight', weight);
  const operands = (rows: Tensor): Tensor[] => (bias === undefined ? [rows, weight] : [rows, weight, bias]);
  if (x.rank === 2) return first(applyOp(linearOp, operands(x), null));
  if (x.rank === 0) throw new ShapeError('linear: x must have at least one axis');
  const rows = reshape(x, [numel(x.shape.slice(0, -1)), x.shape[x.rank - 1]!]);
  const y = first(applyOp(linearOp, operands(rows), null));
  return reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]);
}
