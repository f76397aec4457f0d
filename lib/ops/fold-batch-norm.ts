/**
 * The weight and bias of a layer into which the batch norm behind it is folded, where statistics are fixed
 * (evaluation): w' = s w and bias' = beta + (bias - mean) s, with s = gamma / sqrt(var + eps) per output
 * channel. lib/compile/passes/fold-batch-norm.ts adds this op to programs; users cannot call it.
 */
import type { OpRecord } from '../graph/op';

export interface FoldAttrs {
  readonly eps: number;
  /** Whether the layer has a bias, which is then the second operand. */
  readonly bias: boolean;
}

/** w [O, ...], (bias [O]), gamma, beta, mean, variance -> w', bias'. */
export const foldBatchNormOp: OpRecord<FoldAttrs> = {
  name: 'fold_batch_norm',
  bf16: 'f32',
  infer: ([w]) => [
    { shape: w!.shape, dtype: 'f32' },
    { shape: [w!.shape[0]!], dtype: 'f32' },
  ],
  lower: (l, { eps, bias }) => l.call('fold_batch_norm', l.inputs, l.outputs, { eps, hasBias: bias }),
};
