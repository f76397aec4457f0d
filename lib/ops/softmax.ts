/**
 * Softmax and log-softmax along an axis, stable for any finite input (the row's maximum is subtracted first).
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { formatShape, normalizeAxis, physicalAxes } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { checkDType } from './checks';
import { permute } from './shape-ops';

function softmaxOp(name: string): OpRecord<null> {
  const backward: OpRecord<null> = {
    name: `${name}_backward`,
    bf16: 'f32',
    infer: ([dy]) => [{ shape: dy!.shape, dtype: 'f32' }],
    lower: (l) => l.call(`${name}_backward`, l.inputs, l.outputs, {}, [0, 1]),
  };
  return {
    name,
    bf16: 'f32',
    infer: ([x]) => {
      checkDType(name, 'x', x!, 'f32');
      return [{ shape: x!.shape, dtype: 'f32' }];
    },
    grad: ({ outputs, grads }) => [first(applyOp(backward, [grads[0]!, outputs[0]!], null))],
    lower: (l) => l.call(name, l.inputs, l.outputs, {}, [0]),
  };
}

/** The kernels work along the axis that is innermost in memory; any other axis is moved there and back. */
function alongAxis(op: OpRecord<null>, x: Tensor, axis?: number): Tensor {
  checkTensor(op.name, 'x', x);
  if (x.rank === 0 || x.size === 0)
    throw new ShapeError(`${op.name}: needs elements along an axis, got ${formatShape(x.shape)}`);
  const at = normalizeAxis(op.name, axis ?? (x.rank > 1 ? 1 : 0), x.rank);
  const inner = physicalAxes(x.rank)[x.rank - 1]!;
  if (at === inner) return first(applyOp(op, [x], null));
  const swap = [...x.shape.keys()];
  [swap[at], swap[inner]] = [inner, at];
  return permute(first(applyOp(op, [permute(x, swap)], null)), swap);
}

const softmaxRecord = softmaxOp('softmax');
const logSoftmaxRecord = softmaxOp('log_softmax');

/** e^x / sum e^x along `axis` (default: 1 for batches of any rank, 0 for vectors). */
export function softmax(x: Tensor, axis?: number): Tensor {
  return alongAxis(softmaxRecord, x, axis);
}

/** log softmax(x), computed as x - logsumexp(x). */
export function logSoftmax(x: Tensor, axis?: number): Tensor {
  return alongAxis(logSoftmaxRecord, x, axis);
}
