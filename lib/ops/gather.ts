/**
 * Selects rows of a tensor by index, such as the examples of a batch from a data set in native memory.
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';

const gatherOp: OpRecord<null> = {
  name: 'gather_rows',
  bf16: 'f32',
  infer: ([data, index]) => {
    checkDType('gather_rows', 'index', index!, 'i32');
    checkRank('gather_rows', 'index', index!, 1);
    if (data!.rank === 0) throw new ShapeError('gather_rows: data has no rows');
    return [{ shape: [index!.shape[0]!, ...data!.shape.slice(1)], dtype: data!.dtype }];
  },
  lower: (l) => l.call('gather_rows', l.inputs, l.outputs),
};

/**
 * Rows `index` (i32 [B]) of data [N, ...]: [B, ...]. An index outside [0, N) makes the run
 * reject. Not differentiable.
 */
export function gatherRows(data: Tensor, index: Tensor): Tensor {
  return first(applyOp(gatherOp, [data, index], null));
}
