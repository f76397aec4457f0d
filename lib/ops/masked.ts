/**
 * Values where a mask is above 0, exact zeros elsewhere, whatever stands there: what pruned parameters and
 * their gradients go through.
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType } from './checks';

const maskedOp: OpRecord<null> = {
  name: 'masked',
  bf16: 'f32',
  infer: ([x, mask]) => {
    checkDType('masked', 'x', x!, 'f32');
    checkDType('masked', 'mask', mask!, 'f32');
    if (!sameShape(x!.shape, mask!.shape))
      throw new ShapeError(`masked: x is ${formatShape(x!.shape)}, the mask ${formatShape(mask!.shape)}`);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  grad: ({ inputs: [, mask], grads: [dy] }) => [masked(dy!, mask!), null],
  // relu's gradient is a selection by the sign of the second operand.
  lower: (l) => l.call('relu_backward', l.inputs, l.outputs, {}, [0]),
};

/** x where mask > 0, else 0, also where x is not finite. f32 of one shape; the mask gets no gradient. */
export function masked(x: Tensor, mask: Tensor): Tensor {
  return first(applyOp(maskedOp, [x, mask], null));
}
