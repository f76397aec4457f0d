/** Limits on the norms of the rows of weights. */
import { applyOp, first, type OpRecord } from '../graph/op';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank, checkScalar } from './checks';

const renormOp: OpRecord<null> = {
  name: 'renorm',
  bf16: 'f32',
  infer: ([w, limit]) => {
    checkDType('renorm', 'w', w!, 'f32');
    checkRank('renorm', 'w', w!, 1, 2, 3, 4);
    checkScalar('renorm', 'limit', limit!);
    return [{ shape: w!.shape, dtype: 'f32' }];
  },
  lower: (l) => l.call('renorm', l.inputs, l.outputs, {}, [0]),
};

/**
 * w with each of its parts along the first axis scaled to a 2-norm of at most `limit`, a runtime scalar, as
 * PyTorch's `w.renorm(2, 0, limit)`: the weights of an output unit of a linear layer or a convolution. Not
 * differentiable. @throws ShapeError, DTypeError
 */
export function renorm(w: Tensor, limit: Tensor): Tensor {
  return first(applyOp(renormOp, [w, limit], null));
}
