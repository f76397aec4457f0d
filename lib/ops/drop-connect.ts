/**
 * DropConnect (Wan et al. 2013, "Regularization of neural networks using DropConnect"): connections, which
 * are the elements of a weight, are dropped with probability p; the others are divided by 1 - p.
 */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { formatShape, numel, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { add } from './binary';
import { checkDType, checkRank, checkScalar } from './checks';
import { nextDraws, type DrawAttrs } from './draws';
import { reshape } from './shape-ops';

interface BackwardAttrs extends DrawAttrs {
  readonly shape: Shape;
}

const linearOp: OpRecord<DrawAttrs> = {
  name: 'drop_connect',
  bf16: 'f32',
  infer: ([x, w, p]) => {
    checkDType('dropConnect', 'weight', w!, 'f32');
    checkScalar('dropConnect', 'p', p!);
    const [out, inn] = w!.shape as [number, number];
    if (x!.shape[1] !== inn)
      throw new ShapeError(
        `dropConnect: weight expects ${inn} input features, x is ${formatShape(x!.shape)}`,
      );
    return [{ shape: [x!.shape[0]!, out], dtype: 'f32' }];
  },
  grad: ({ inputs: [x, w, ...scalars], grads: [dy], attrs, wanted }) => [
    wanted[0] ? first(applyOp(backwardDataOp, [dy!, w!, ...scalars], { ...attrs, shape: x!.shape })) : null,
    wanted[1]
      ? first(applyOp(backwardWeightsOp, [dy!, x!, ...scalars], { ...attrs, shape: w!.shape }))
      : null,
    ...scalars.map(() => null),
  ],
  lower: (l, attrs) => l.call('drop_connect', l.inputs, l.outputs, { ...attrs }),
};

function backwardOp(name: string): OpRecord<BackwardAttrs> {
  return {
    name,
    bf16: 'f32',
    infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
    lower: (l, { shape: _, ...attrs }) => l.call(name, l.inputs, l.outputs, attrs),
  };
}

const backwardDataOp = backwardOp('drop_connect_backward_data');
const backwardWeightsOp = backwardOp('drop_connect_backward_weights');

/**
 * x weight^T + bias as `linear`, with connections that are dropped anew for each row of x [..., in] with
 * probability `p`, a runtime scalar. Masks are drawn in the kernel, from seed, layer, call, step and place:
 * each takes as long as drawing all of them.
 * @throws ShapeError, DTypeError
 */
export function dropConnectLinear(x: Tensor, weight: Tensor, bias: Tensor | undefined, p: Tensor): Tensor {
  checkDType('dropConnect', 'x', x, 'f32');
  checkRank('dropConnect', 'x', x, 1, 2, 3, 4);
  checkRank('dropConnect', 'weight', weight, 2);
  const rows = numel(x.shape.slice(0, -1));
  const { attrs, scalars } = nextDraws('drop_connect', rows * weight.size);
  const flat = x.rank === 2 ? x : reshape(x, [rows, x.shape.at(-1)!]);
  const y = first(applyOp(linearOp, [flat, weight, p, ...scalars], attrs));
  const biased = bias === undefined ? y : add(y, bias);
  return x.rank === 2 ? biased : reshape(biased, [...x.shape.slice(0, -1), weight.shape[0]!]);
}
