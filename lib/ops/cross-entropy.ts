/**
 * Softmax cross entropy per example, in one kernel: loss = logsumexp(x) - sum_k q_k x_k, with hard or soft
 * targets and label smoothing.
 */
import { DTypeError, OptionError, ShapeError } from '../errors';
import { applyOp, first, type OpRecord } from '../graph/op';
import { positiveInteger, probability } from '../options';
import { formatShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkDType, checkRank } from './checks';

interface Attrs {
  readonly smoothing: number;
}

/** Logits [B, K], and class indices or probabilities for them. @throws ShapeError, DTypeError */
export function checkTarget(name: string, x: Tensor, target: Tensor): void {
  checkDType(name, 'x', x, 'f32');
  checkRank(name, 'x', x, 2);
  checkDType(name, 'target', target, 'i32', 'f32');
  const [rows, classes] = x.shape as [number, number];
  if (target.dtype === 'f32' && target.rank === 1)
    throw new DTypeError(
      `${name}: targets ${formatShape(target.shape)} are f32; class indices must be i32 (an Int32Array), probabilities f32 of shape ${formatShape([rows, classes])}`,
    );
  const expected = target.dtype === 'i32' ? [rows] : [rows, classes];
  if (target.rank !== expected.length || target.shape.some((d, i) => d !== expected[i])) {
    throw new ShapeError(
      `${name}: ${target.dtype} targets for x ${formatShape(x.shape)} must be ${formatShape(expected)}, got ${formatShape(target.shape)}`,
    );
  }
  if (classes < 1) throw new ShapeError(`${name}: x has no classes`);
}

const crossEntropyOp: OpRecord<Attrs> = {
  name: 'cross_entropy',
  bf16: 'f32',
  infer: ([x, target]) => {
    checkTarget('cross_entropy', x!, target!);
    const rows = { shape: [x!.shape[0]!], dtype: 'f32' } as const;
    return [rows, rows];
  },
  // Soft targets are constants.
  grad: ({ inputs: [x, target], outputs: [, lse], grads, attrs }) => [
    first(applyOp(backwardOp, [grads[0]!, x!, target!, lse!], attrs)),
    null,
  ],
  lower: (l, { smoothing }) => l.call('cross_entropy', l.inputs, l.outputs, { smoothing }),
};

const backwardOp: OpRecord<Attrs> = {
  name: 'cross_entropy_backward',
  bf16: 'f32',
  infer: ([, x]) => [{ shape: x!.shape, dtype: 'f32' }],
  lower: (l, { smoothing }) => l.call('cross_entropy_backward', l.inputs, l.outputs, { smoothing }, [1]),
};

/**
 * Loss of each example: logits x [B, K] against class indices (i32 [B]) or probabilities (f32 [B, K]).
 * `smoothing` mixes the target with the uniform distribution: q = (1 - s) target + s / K (Szegedy et al.
 * 2016). A class index outside [0, K) makes the run reject with a DataError.
 */
export function crossEntropy(x: Tensor, target: Tensor, smoothing = 0): Tensor {
  return first(
    applyOp(crossEntropyOp, [x, target], { smoothing: probability('cross_entropy', 'smoothing', smoothing) }),
  );
}

const countCorrectOp: OpRecord<null> = {
  name: 'count_correct',
  bf16: 'f32',
  infer: ([x, target]) => {
    checkTarget('cross_entropy', x!, target!);
    return [{ shape: [], dtype: 'f32' }];
  },
  lower: (l) => l.call('count_correct', l.inputs, l.outputs),
};

/**
 * How many rows of x have their largest element at the target class, or at the largest element of
 * a soft target.
 */
export function countCorrect(x: Tensor, target: Tensor): Tensor {
  return first(applyOp(countCorrectOp, [x, target], null));
}

const countTopKOp: OpRecord<{ readonly k: number }> = {
  name: 'count_top_k',
  bf16: 'f32',
  infer: ([x, target], { k }) => {
    checkTarget('cross_entropy', x!, target!);
    const classes = x!.shape[1]!;
    if (k > classes) throw new OptionError(`count_top_k: k is ${k}, but there are ${classes} classes`);
    return [{ shape: [], dtype: 'f32' }];
  },
  lower: (l, { k }) => l.call('count_top_k', l.inputs, l.outputs, { k }),
};

/**
 * How many rows of x have the target class (or the largest element of a soft target) among their k largest
 * elements. Among equal elements the first counts as larger; NaN counts as largest of all. A class index
 * outside [0, K) makes the run reject with a DataError.
 * @throws ShapeError, DTypeError, OptionError
 */
export function countTopK(x: Tensor, target: Tensor, k: number): Tensor {
  return first(applyOp(countTopKOp, [x, target], { k: positiveInteger('count_top_k', 'k', k) }));
}
