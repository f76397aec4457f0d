/** Cross entropy of probabilities with targets between 0 and 1, element by element. */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { add, mul, sub } from './binary';
import { checkDType } from './checks';
import { softplus } from './softplus';
import { neg } from './unary';

function checkOperands(name: string, outputs: Tensor, target: Tensor): void {
  checkDType(name, 'x', outputs, 'f32');
  checkDType(name, 'target', target, 'f32');
  if (!sameShape(outputs.shape, target.shape))
    throw new ShapeError(
      `${name}: x ${formatShape(outputs.shape)} and target ${formatShape(target.shape)} must have one shape`,
    );
}

const backwardOp: OpRecord<null> = {
  name: 'binary_cross_entropy_backward',
  bf16: 'f32',
  infer: ([dy]) => [{ shape: dy!.shape, dtype: 'f32' }],
  lower: (l) => l.call('binary_cross_entropy_backward', l.inputs, l.outputs, {}, [0]),
};

const binaryCrossEntropyOp: OpRecord<null> = {
  name: 'binary_cross_entropy',
  bf16: 'f32',
  infer: ([p, target]) => {
    checkOperands('binary_cross_entropy', p!, target!);
    return [{ shape: p!.shape, dtype: 'f32' }];
  },
  // Targets are constants.
  grad: ({ inputs: [p, target], grads }) => [
    first(applyOp(backwardOp, [grads[0]!, p!, target!], null)),
    null,
  ],
  lower: (l) => l.call('binary_cross_entropy', l.inputs, l.outputs, {}, [0]),
};

/**
 * -(t log p + (1 - t) log(1 - p)), element by element. p and t have one shape; t is a constant. As in
 * PyTorch, logarithms are at least -100. A p outside [0, 1] yields NaN.
 * @throws ShapeError, DTypeError
 */
export function binaryCrossEntropy(p: Tensor, target: Tensor): Tensor {
  return first(applyOp(binaryCrossEntropyOp, [p, target], null));
}

const asF32Op: OpRecord<null> = {
  name: 'as_f32',
  bf16: 'f32',
  view: true,
  infer: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
  grad: ({ grads: [dy] }) => [dy!],
  lower: (l) => l.alias(l.outputs[0]!, l.inputs[0]!),
};

/**
 * @internal x itself, as f32 in every precision, for losses that are made of pointwise ops: those would
 *   otherwise keep a bf16 x in bf16.
 */
export function asF32(x: Tensor): Tensor {
  return first(applyOp(asF32Op, [x], null));
}

/**
 * Binary cross entropy of p = sigmoid(x), without rounding errors for large |x|: t log(1 + e^-x) + (1 - t)
 * log(1 + e^x). `positiveWeight` multiplies the first term. It is a number, or an f32 tensor with one weight
 * per class, which broadcasts.
 * @throws ShapeError, DTypeError
 */
export function binaryCrossEntropyWithLogits(
  x: Tensor,
  target: Tensor,
  positiveWeight: Tensor | number = 1,
): Tensor {
  checkOperands('binary_cross_entropy_with_logits', x, target);
  const logits = asF32(x);
  const positive = mul(mul(target, positiveWeight), softplus(neg(logits)));
  return add(positive, mul(sub(1, target), softplus(logits)));
}
