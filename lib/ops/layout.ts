/**
 * Conversion between logical order and memory order at the edges of programs. Inserted by compile(), not
 * called by users.
 */
import { alike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { isLayoutTrivial, physicalDims } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';

const fromLogicalOp: OpRecord<null> = {
  name: 'from_logical',
  bf16: alike,
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  lower: (l) => {
    const [x, y] = [l.inputs[0]!, l.outputs[0]!];
    l.call('permute', [l.view(x, l.inputTypes[0]!.shape)], [y], { axes: [0, 2, 3, 1] });
  },
};

const toLogicalOp: OpRecord<null> = {
  name: 'to_logical',
  bf16: alike,
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  lower: (l) => {
    const [x, y] = [l.inputs[0]!, l.outputs[0]!];
    l.call(
      'permute',
      [l.view(x, physicalDims(l.inputTypes[0]!.shape))],
      [l.view(y, l.outputTypes[0]!.shape)],
      { axes: [0, 3, 1, 2] },
    );
  },
};

/**
 * `x` holds a rank-4 tensor in N, C, H, W order; returns it channels-last, or the tensor itself where
 * the two agree.
 */
export function fromLogical(x: Tensor): Tensor {
  return isLayoutTrivial(x.shape) ? x : first(applyOp(fromLogicalOp, [x], null));
}

/** The opposite: memory in N, C, H, W order, to be copied out. */
export function toLogical(x: Tensor): Tensor {
  return isLayoutTrivial(x.shape) ? x : first(applyOp(toLogicalOp, [x], null));
}
