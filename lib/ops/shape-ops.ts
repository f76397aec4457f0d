/** Ops that move or reinterpret: reshape, flatten, permute, concat, slice, pad, broadcastTo. */
import { ShapeError } from '../errors';
import { alike } from '../graph/facts';
import { applyOp, first, type OpRecord } from '../graph/op';
import { finite, show } from '../options';
import {
  broadcastShapes,
  checkShape,
  formatShape,
  isLayoutTrivial,
  normalizeAxis,
  numel,
  physicalAxes,
  physicalAxis,
  physicalDims,
  sameShape,
  type Shape,
} from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { checkDType } from './checks';

const reshapeOp: OpRecord<{ shape: Shape }> = {
  name: 'reshape',
  bf16: alike,
  view: true,
  infer: ([x], { shape }) => [{ shape, dtype: x!.dtype }],
  grad: ({ inputs, grads }) => [reshape(grads[0]!, inputs[0]!.shape)],
  lower: (l) => {
    const [x, y] = [l.inputs[0]!, l.outputs[0]!];
    const [from, to] = [l.inputTypes[0]!.shape, l.outputTypes[0]!.shape];
    // Logically row-major on both sides, so a channels-last side needs its axes moved.
    const unpack = !isLayoutTrivial(from);
    const pack = !isLayoutTrivial(to);
    if (!unpack && !pack) return l.alias(y, x);
    const flat = unpack && pack ? l.temp(from, x.dtype) : unpack ? l.view(y, from) : l.view(x, to);
    if (unpack)
      l.call('permute', [l.view(x, physicalDims(from))], [l.view(flat, from)], { axes: [0, 3, 1, 2] });
    if (pack) l.call('permute', [l.view(flat, to)], [l.view(y, physicalDims(to))], { axes: [0, 2, 3, 1] });
  },
};

/**
 * The same elements in logical (N, C, H, W) order under another shape. One dimension may be -1:
 * it is inferred.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensor('reshape', 'x', x);
  const dims: unknown = shape;
  if (!Array.isArray(dims) || !dims.every(Number.isSafeInteger))
    throw new ShapeError(`reshape: the shape must be a list of whole numbers, got ${show(shape)}`);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const target = shape.map((d) => (d === -1 ? x.size / known : d));
  if (
    shape.filter((d) => d === -1).length > 1 ||
    numel(target) !== x.size ||
    !target.every(Number.isInteger)
  ) {
    throw new ShapeError(
      `reshape: ${formatShape(x.shape)} has ${x.size} elements, which ${formatShape(shape)} cannot hold`,
    );
  }
  return sameShape(target, x.shape) ? x : first(applyOp(reshapeOp, [x], { shape: target }));
}

/** Joins the axes from `start` on: [N, C, H, W] to [N, C H W] by default. */
export function flatten(x: Tensor, start = 1): Tensor {
  checkTensor('flatten', 'x', x);
  if (x.rank === 0) return reshape(x, [1]);
  const axis = normalizeAxis('flatten', start, x.rank);
  return reshape(x, [...x.shape.slice(0, axis), numel(x.shape.slice(axis))]);
}

const permuteOp: OpRecord<{ axes: readonly number[] }> = {
  name: 'permute',
  bf16: alike,
  infer: ([x], { axes }) => [{ shape: axes.map((a) => x!.shape[a]!), dtype: x!.dtype }],
  grad: ({ grads, attrs }) => [
    permute(
      grads[0]!,
      attrs.axes.map((_, i) => attrs.axes.indexOf(i)),
    ),
  ],
  lower: (l, { axes }) => {
    const physical = physicalAxes(axes.length);
    // Physical axis i of y is logical axis physical[i], which is logical axis axes[...] of x.
    const moves = physical.map((logical) => physicalAxis(axes[logical]!, axes.length));
    l.call('permute', l.inputs, l.outputs, { axes: moves });
  },
};

/** Axes in another order: output axis i is input axis `axes[i]`. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  checkTensor('permute', 'x', x);
  const given: unknown = axes;
  if (!Array.isArray(given))
    throw new ShapeError(`permute: axes must be a list of whole numbers, got ${show(given)}`);
  const wanted = axes.map((a) => normalizeAxis('permute', a, x.rank));
  if (wanted.length !== x.rank || new Set(wanted).size !== x.rank) {
    throw new ShapeError(`permute: axes must name each of the ${x.rank} axes once, got ${formatShape(axes)}`);
  }
  return wanted.every((a, i) => a === i) ? x : first(applyOp(permuteOp, [x], { axes: wanted }));
}

/** Swaps the two axes of a matrix. */
export function transpose(x: Tensor): Tensor {
  checkTensor('transpose', 'x', x);
  if (x.rank !== 2)
    throw new ShapeError(`transpose: needs a matrix, got ${formatShape(x.shape)}; use permute`);
  return permute(x, [1, 0]);
}

const concatOp: OpRecord<{ axis: number }> = {
  name: 'concat',
  bf16: alike,
  infer: (inputs, { axis }) => {
    const shape = [...inputs[0]!.shape];
    for (const x of inputs.slice(1)) {
      checkDType('concat', 'each tensor', x, inputs[0]!.dtype);
      if (x.rank !== shape.length || x.shape.some((d, i) => i !== axis && d !== shape[i])) {
        throw new ShapeError(
          `concat: ${formatShape(x.shape)} does not fit ${formatShape(inputs[0]!.shape)} along axis ${axis}`,
        );
      }
      shape[axis]! += x.shape[axis]!;
    }
    return [{ shape, dtype: inputs[0]!.dtype }];
  },
  grad: ({ inputs, grads, attrs: { axis } }) => {
    let begin = 0;
    return inputs.map((x) => {
      const start = x.shape.map((_, i) => (i === axis ? begin : 0));
      begin += x.shape[axis]!;
      return slice(grads[0]!, start, x.shape);
    });
  },
  lower: (l, { axis }) =>
    l.call('concat', l.inputs, l.outputs, { axis: physicalAxis(axis, l.inputTypes[0]!.shape.length) }),
};

/** Puts tensors one after the other along `axis`. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors)) throw new ShapeError(`concat: needs a list of tensors, got ${show(tensors)}`);
  const head = (tensors as readonly Tensor[])[0];
  if (head === undefined) throw new ShapeError('concat: needs at least one tensor');
  for (const t of tensors) checkTensor('concat', 'each operand', t);
  const at = normalizeAxis('concat', axis, head.rank);
  return tensors.length === 1 ? head : first(applyOp(concatOp, tensors, { axis: at }));
}

const sliceOp: OpRecord<{ start: readonly number[]; size: Shape }> = {
  name: 'slice',
  bf16: alike,
  infer: ([x], { start, size }) => {
    const fits =
      start.length === x!.rank &&
      size.length === x!.rank &&
      start.every(
        (s, i) => Number.isSafeInteger(s) && s >= 0 && size[i]! >= 0 && s + size[i]! <= x!.shape[i]!,
      );
    if (!fits)
      throw new ShapeError(
        `slice: ${formatShape(size)} at ${formatShape(start)} is not inside ${formatShape(x!.shape)}`,
      );
    return [{ shape: size, dtype: x!.dtype }];
  },
  grad: ({ inputs, grads, attrs: { start } }) => [pad(grads[0]!, start, inputs[0]!.shape)],
  lower: (l, { start }) =>
    l.call('slice', l.inputs, l.outputs, { start: physicalAxes(start.length).map((a) => start[a]!) }),
};

/** The block of `size` that begins at `start`. */
export function slice(x: Tensor, start: readonly number[], size: Shape): Tensor {
  checkTensor('slice', 'x', x);
  checkShape('slice', start);
  checkShape('slice', size);
  return sameShape(size, x.shape) && start.length === x.rank && start.every((s) => s === 0)
    ? x
    : first(applyOp(sliceOp, [x], { start: [...start], size: [...size] }));
}

const padOp: OpRecord<{ before: readonly number[]; shape: Shape; value: number }> = {
  name: 'pad',
  bf16: 'f32',
  infer: ([x], { before, shape }) => {
    checkDType('pad', 'x', x!, 'f32');
    const fits =
      before.length === x!.rank &&
      shape.length === x!.rank &&
      before.every((b, i) => Number.isInteger(b) && b >= 0 && b + x!.shape[i]! <= shape[i]!);
    if (!fits)
      throw new ShapeError(
        `pad: ${formatShape(x!.shape)} at ${formatShape(before)} is not inside ${formatShape(shape)}`,
      );
    return [{ shape, dtype: x!.dtype }];
  },
  grad: ({ inputs, grads, attrs: { before } }) => [slice(grads[0]!, before, inputs[0]!.shape)],
  lower: (l, { before, value }) =>
    l.call('pad', l.inputs, l.outputs, { value, before: physicalAxes(before.length).map((a) => before[a]!) }),
};

/** A tensor of `shape` filled with `value` (0), holding x at position `before`. */
export function pad(x: Tensor, before: readonly number[], shape: Shape, value = 0): Tensor {
  checkShape('pad', before);
  checkShape('pad', shape);
  return first(
    applyOp(padOp, [x], { before: [...before], shape: [...shape], value: finite('pad', 'value', value) }),
  );
}

const broadcastOp: OpRecord<{ shape: Shape; scale: number }> = {
  name: 'broadcast',
  bf16: { kind: 'reader', output: 'either' },
  infer: ([x], { shape }) => {
    checkDType('broadcast', 'x', x!, 'f32');
    const fits = x!.rank === shape.length && sameShape(broadcastShapes('broadcast', x!.shape, shape), shape);
    if (!fits)
      throw new ShapeError(`broadcast: ${formatShape(x!.shape)} does not spread to ${formatShape(shape)}`);
    return [{ shape, dtype: 'f32' }];
  },
  // grad.ts sums the gradient back to the input's shape.
  grad: ({ grads, attrs: { scale }, inputs }) => [sumToScaled(grads[0]!, inputs[0]!.shape, scale)],
  lower: (l, { scale }) => l.call('broadcast', l.inputs, l.outputs, { scale }),
};

/** Repeats x along its axes of length 1 (missing leading axes count as such), times `scale`. */
export function broadcastTo(x: Tensor, shape: Shape, scale = 1): Tensor {
  checkTensor('broadcast', 'x', x);
  checkShape('broadcast', shape);
  if (sameShape(x.shape, shape) && finite('broadcast', 'scale', scale) === 1) return x;
  const padded = [...Array<number>(Math.max(0, shape.length - x.rank)).fill(1), ...x.shape];
  return first(applyOp(broadcastOp, [reshape(x, padded)], { shape: [...shape], scale }));
}

/** `shape` of the result: 1 along the axes that are summed. */
interface ReduceSumAttrs {
  readonly shape: Shape;
  readonly scale: number;
}

const reduceSumOp: OpRecord<ReduceSumAttrs> = {
  name: 'reduce_sum',
  bf16: { kind: 'reader', output: 'f32' },
  sums: true,
  infer: ([x], { shape }) => {
    checkDType('reduce_sum', 'x', x!, 'f32');
    return [{ shape, dtype: 'f32' }];
  },
  grad: ({ inputs, grads, attrs: { scale } }) => [broadcastTo(grads[0]!, inputs[0]!.shape, scale)],
  lower: (l, { scale }) => l.call('reduce_sum', l.inputs, l.outputs, { scale }),
};

/**
 * Sums x down to `shape`, which x could have been broadcast from; times `scale`. The reverse of broadcastTo.
 */
export function sumToScaled(x: Tensor, shape: Shape, scale: number): Tensor {
  if (shape.length > x.rank || !sameShape(broadcastShapes('reduce_sum', shape, x.shape), x.shape))
    throw new ShapeError(
      `reduce_sum: ${formatShape(x.shape)} cannot be summed down to ${formatShape(shape)}`,
    );
  const padded = [...Array<number>(x.rank - shape.length).fill(1), ...shape];
  const kept = first(applyOp(reduceSumOp, [x], { shape: padded, scale }));
  return reshape(kept, shape);
}

/** Sums x down to `shape`, which x could have been broadcast from. @throws ShapeError where it could not */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  checkTensor('reduce_sum', 'x', x);
  checkShape('reduce_sum', shape);
  return sameShape(x.shape, shape) ? x : sumToScaled(x, shape, 1);
}
