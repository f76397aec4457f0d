/** Reductions over axes: sum, mean, max; argmax over the last axis. */
import { ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { checkKeys, checkList } from '../options';
import { normalizeAxis, numel, type Shape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { div, equal, mul } from './binary';
import { checkDType } from './checks';
import { broadcastTo, permute, reshape, sumTo, sumToScaled } from './shape-ops';

/**
 * Which axes to reduce: one, several, or all (the default). `keepDims` leaves them in place with length 1.
 */
export interface ReduceOptions {
  readonly axes?: number | readonly number[];
  readonly keepDims?: boolean;
}

interface Reduction {
  /** The shape with ones in place of the reduced axes. */
  readonly kept: Shape;
  readonly result: Shape;
  readonly count: number;
}

function plan(name: string, x: Tensor, options: ReduceOptions): Reduction {
  checkTensor(name, 'x', x);
  checkKeys(name, options, ['axes', 'keepDims']);
  const { axes, keepDims = false } = options;
  const list = axes === undefined ? x.shape.map((_, i) => i) : typeof axes === 'number' ? [axes] : axes;
  checkList(name, 'axes', list);
  const reduced = new Set(list.map((a) => normalizeAxis(name, a, x.rank)));
  const kept = x.shape.map((d, i) => (reduced.has(i) ? 1 : d));
  const result = keepDims ? kept : x.shape.filter((_, i) => !reduced.has(i));
  return { kept, result, count: numel(x.shape.filter((_, i) => reduced.has(i))) };
}

/** Sum over the axes. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { kept, result } = plan('sum', x, options);
  return reshape(sumTo(x, kept), result);
}

/** Mean over the axes. @throws ShapeError over no elements */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { kept, result, count } = plan('mean', x, options);
  if (count === 0) throw new ShapeError('mean: there are no elements to average');
  return reshape(count === 1 ? x : sumToScaled(x, kept, 1 / count), result);
}

const reduceMaxOp: OpRecord<{ shape: Shape }> = {
  name: 'reduce_max',
  bf16: 'f32',
  infer: ([x], { shape }) => {
    checkDType('max', 'x', x!, 'f32');
    return [{ shape, dtype: 'f32' }];
  },
  // Elements that share the maximum share its gradient evenly, as PyTorch's amax.
  grad: ({ inputs, outputs, grads }) => {
    const [x, y, dy] = [inputs[0]!, outputs[0]!, grads[0]!];
    const winners = equal(x, y);
    return [mul(winners, broadcastTo(div(dy, sumTo(winners, y.shape)), x.shape))];
  },
  lower: (l) => l.call('reduce_max', l.inputs, l.outputs),
};

/** Largest element over the axes (PyTorch's amax). @throws ShapeError over no elements */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { kept, result, count } = plan('max', x, options);
  if (count === 0) throw new ShapeError('max: there are no elements to compare');
  return reshape(first(applyOp(reduceMaxOp, [x], { shape: kept })), result);
}

const argmaxOp: OpRecord<null> = {
  name: 'argmax',
  bf16: 'f32',
  infer: ([x]) => {
    checkDType('argmax', 'x', x!, 'f32');
    return [{ shape: x!.shape.slice(0, -1), dtype: 'i32' }];
  },
  lower: (l) => l.call('argmax', l.inputs, l.outputs),
};

/**
 * Index of the largest element along `axis` (the last); the lowest index wins ties. i32. Not differentiable.
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  checkTensor('argmax', 'x', x);
  if (x.rank === 0) throw new ShapeError('argmax: needs at least one axis');
  const at = normalizeAxis('argmax', axis, x.rank);
  const rows = lastAxisRows(x, at);
  const found = first(applyOp(argmaxOp, [rows], null));
  return reshape(
    found,
    x.shape.filter((_, i) => i !== at),
  );
}

/** x as [everything else, axis]: a matrix whose rows run along the axis. */
export function lastAxisRows(x: Tensor, axis: number): Tensor {
  const order = [...x.shape.keys()].filter((i) => i !== axis);
  const moved = permute(x, [...order, axis]);
  return reshape(moved, [x.size / Math.max(1, x.shape[axis]!), x.shape[axis]!]);
}

const sumSquaresOp: OpRecord<null> = {
  name: 'sum_squares',
  bf16: 'f32',
  squares: true,
  infer: (inputs) => {
    for (const x of inputs) checkDType('sumSquares', 'x', x, 'f32');
    return [{ shape: [], dtype: 'f32' }];
  },
  grad: ({ inputs, grads }) => inputs.map((x) => mul(mul(x, 2), broadcastTo(grads[0]!, x.shape))),
  lower: (l) => l.call('sum_squares', l.inputs, l.outputs),
};

/** Sum of the squares of every element of every tensor; its root is the global gradient norm. */
export function sumSquares(tensors: readonly Tensor[]): Tensor {
  checkList('sumSquares', 'tensors', tensors);
  return first(applyOp(sumSquaresOp, tensors, null));
}
