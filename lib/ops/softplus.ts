/** Softplus, a smooth relu: log(1 + e^x). Dugas et al. 2000. */
import { alike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import type { Tensor } from '../tensor/tensor';
import { mul } from './binary';
import { checkDType } from './checks';
import { sigmoid } from './unary';

const softplusOp: OpRecord<null> = {
  name: 'softplus',
  bf16: alike,
  infer: ([x]) => {
    checkDType('softplus', 'x', x!, 'f32');
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  // d/dx log(1 + e^x) = sigmoid(x)
  grad: ({ inputs: [x], grads: [dy] }) => [mul(dy!, sigmoid(x!))],
  // The last argument: the output may take over the memory of input 0.
  lower: (l) => l.call('softplus', l.inputs, l.outputs, {}, [0]),
};

/** log(1 + e^x), elementwise; any shape, f32. Does not overflow. */
export function softplus(x: Tensor): Tensor {
  return first(applyOp(softplusOp, [x], null));
}
