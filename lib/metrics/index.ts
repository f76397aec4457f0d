/** Measures of a model that are counted, not differentiated. */
import * as ops from '../ops';
import type { Tensor } from '../tensor/tensor';

/** Sums over examples, to be divided by how many there were. */
export interface Metric {
  readonly name: string;
  /** Sum over the batch, f32 of rank 0. */
  count(outputs: Tensor, targets: Tensor): Tensor;
}

/** Share of examples whose largest output is at the target class (i32 [N]), or at the largest of soft targets (f32 [N, K]). */
export function accuracy(): Metric {
  return { name: 'accuracy', count: (outputs, targets) => ops.countCorrect(outputs, targets) };
}
