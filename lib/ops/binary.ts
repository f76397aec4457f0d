/**
 * Pointwise functions of two tensors, broadcast as in NumPy and PyTorch. Gradient rules return gradients of
 * the broadcast shape; grad.ts sums them.
 */
import { alike } from '../graph/facts';
import { applyOp, first, type GradContext, type OpRecord } from '../graph/op';
import type { Lowering, Operand } from '../graph/lowering';
import { broadcastShapes, isLayoutTrivial, physicalDims, type Shape } from '../tensor/shape';
import { checkTensor, tensor, type Tensor } from '../tensor/tensor';
import { checkDType } from './checks';
import { reshape } from './shape-ops';
import { affine } from './unary';

type Rule = (context: GradContext<null>) => (Tensor | null)[];

/**
 * The operand with the output's rank. `align` has padded its shape with ones, so that dims agree one to one.
 */
function spread(l: Lowering, operand: Operand, shape: Shape, rank: number): Operand {
  const padded = [...Array<number>(rank - shape.length).fill(1), ...shape];
  return l.view(operand, physicalDims(padded));
}

function binaryOp(name: string, grad?: Rule): OpRecord<null> {
  return {
    name,
    bf16: alike,
    infer: ([a, b]) => {
      checkDType(name, 'a', a!, 'f32');
      checkDType(name, 'b', b!, 'f32');
      return [{ shape: broadcastShapes(name, a!.shape, b!.shape), dtype: 'f32' }];
    },
    ...(grad && { grad }),
    lower: (l) => {
      const rank = l.outputTypes[0]!.shape.length;
      const operands = l.inputs.map((operand, i) => spread(l, operand, l.inputTypes[i]!.shape, rank));
      l.call(name, operands, l.outputs, {}, [0, 1]);
    },
  };
}

/**
 * Tensors of rank 4 lie channels-last in memory, all others row-major. If only one of the operands has rank
 * 4, the one of lower rank is first reshaped to the higher rank. Shapes with one long axis lie in memory the
 * same way in both orders.
 */
function align(t: Tensor, rank: number): Tensor {
  if (t.rank === rank || (rank !== 4 && t.rank !== 4)) return t;
  const padded = [...Array<number>(rank - t.rank).fill(1), ...t.shape];
  return isLayoutTrivial(rank === 4 ? padded : t.shape) ? t : reshape(t, padded);
}

/** A number stands for a constant tensor. */
export type Operandish = Tensor | number;

function asTensor(op: string, name: string, x: Operandish): Tensor {
  if (typeof x === 'number') return tensor(x);
  checkTensor(op, name, x);
  return x;
}

function binary(op: OpRecord<null>, a: Operandish, b: Operandish): Tensor {
  const [ta, tb] = [asTensor(op.name, 'a', a), asTensor(op.name, 'b', b)];
  const rank = Math.max(ta.rank, tb.rank);
  return first(applyOp(op, [align(ta, rank), align(tb, rank)], null));
}

const addOp: OpRecord<null> = {
  ...binaryOp('add', ({ grads }) => [grads[0]!, grads[0]!]),
  adds: true,
};
const subOp = binaryOp('sub', ({ grads, wanted }) => [grads[0]!, wanted[1] ? affine(grads[0]!, -1) : null]);
const mulOp = binaryOp('mul', ({ inputs: [a, b], grads, wanted }) => [
  wanted[0] ? mul(grads[0]!, b!) : null,
  wanted[1] ? mul(grads[0]!, a!) : null,
]);
const divOp = binaryOp('div', ({ inputs: [, b], outputs, grads, wanted }) => [
  wanted[0] ? div(grads[0]!, b!) : null,
  wanted[1] ? affine(div(mul(grads[0]!, outputs[0]!), b!), -1) : null,
]);
const equalOp = binaryOp('equal');

/** Where both sides are equal, each takes half of the gradient, as in PyTorch. */
const extremeRule: Rule = ({ inputs: [a, b], outputs, grads }) => {
  const [toA, toB] = [equal(a!, outputs[0]!), equal(b!, outputs[0]!)];
  const share = div(grads[0]!, add(toA, toB));
  return [mul(share, toA), mul(share, toB)];
};
const maximumOp = binaryOp('maximum', extremeRule);
const minimumOp = binaryOp('minimum', extremeRule);

/** a + b */
export function add(a: Operandish, b: Operandish): Tensor {
  return typeof b === 'number' && typeof a !== 'number' ? affine(a, 1, b) : binary(addOp, a, b);
}

/** a - b */
export function sub(a: Operandish, b: Operandish): Tensor {
  return typeof b === 'number' && typeof a !== 'number' ? affine(a, 1, -b) : binary(subOp, a, b);
}

/** a b, element by element. */
export function mul(a: Operandish, b: Operandish): Tensor {
  return typeof b === 'number' && typeof a !== 'number' ? affine(a, b) : binary(mulOp, a, b);
}

/** a / b, element by element. */
export function div(a: Operandish, b: Operandish): Tensor {
  return binary(divOp, a, b);
}

/** The larger of a and b. */
export function maximum(a: Operandish, b: Operandish): Tensor {
  return binary(maximumOp, a, b);
}

/** The smaller of a and b. */
export function minimum(a: Operandish, b: Operandish): Tensor {
  return binary(minimumOp, a, b);
}

/** 1 where a equals b, else 0. Not differentiable. */
export function equal(a: Operandish, b: Operandish): Tensor {
  return binary(equalOp, a, b);
}
