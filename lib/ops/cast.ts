/** Conversion between dtypes. */
import { applyOp, first, type OpRecord } from '../graph/op';
import { oneOf } from '../options';
import { checkTensor, type Tensor } from '../tensor/tensor';

export const castOp: OpRecord<{ dtype: 'f32' | 'i32' | 'u8' | 'f64' | 'bf16' }> = {
  name: 'cast',
  bf16: 'f32',
  infer: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
  lower: (l) => l.call('cast', l.inputs, l.outputs),
};

/**
 * The same numbers in another dtype. From f32 to i32 and u8 they are truncated and
 * clamped. Not differentiable.
 */
export function cast(x: Tensor, dtype: 'f32' | 'i32' | 'u8' | 'f64'): Tensor {
  checkTensor('cast', 'x', x);
  oneOf('cast', 'dtype', dtype, ['f32', 'i32', 'u8', 'f64']);
  return x.dtype === dtype ? x : first(applyOp(castOp, [x], { dtype }));
}
