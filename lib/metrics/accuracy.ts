/** How often the right class is the best one, or among the best. */
import * as ops from '../ops';
import { OptionError } from '../errors';
import { positiveInteger } from '../options';
import type { Tensor } from '../tensor/tensor';
import { checkScores, labelsOf, type Metric } from './metric';

/** Share of examples whose largest output is at the target class (i32 [N]), or at the largest of soft targets (f32 [N, K]). */
export function accuracy(): Metric {
  return {
    name: 'accuracy',
    shape: [],
    count: (outputs, targets) => ops.countCorrect(outputs, targets),
    value: (sums, examples) => sums[0]! / examples,
  };
}

/** 1 where a is greater than b, or either is NaN. */
function greater(a: Tensor, b: Tensor): Tensor {
  return ops.sub(1, ops.equal(ops.maximum(a, b), b));
}

/**
 * Share of examples whose target class is among the k largest outputs; of equal ones the first counts as larger, so that topK(1) is the
 * accuracy. Targets as there. A label outside [0, K) rejects the run with a DataError.
 * @throws OptionError; counting ShapeError when there are fewer than k classes
 */
export function topK(k: number): Metric {
  positiveInteger('metrics.topK', 'k', k);
  const name = `top${k}`;
  return {
    name,
    shape: [],
    count: (outputs, targets) => {
      const [, classes] = checkScores('metrics.topK', outputs, targets);
      if (k > classes) throw new OptionError(`metrics.topK: k is ${k}, but there are ${classes} classes`);
      return countTopK(outputs, labelsOf(targets), classes, k);
    },
    value: (sums, examples) => sums[0]! / examples,
  };
}

function countTopK(outputs: Tensor, labels: Tensor, classes: number, k: number): Tensor {
  const right = ops.oneHot(labels, classes);
  const score = ops.sum(ops.mul(outputs, right), { axes: 1, keepDims: true });
  const index = ops.classNumbers(classes);
  const label = ops.sum(ops.mul(right, index), { axes: 1, keepDims: true });
  const equalBefore = ops.mul(ops.equal(outputs, score), greater(label, index));
  const better = ops.sum(ops.add(greater(outputs, score), equalBefore), { axes: 1 });
  // Counts are whole numbers: fewer than k are better.
  return ops.sum(greater(ops.full([better.size], k), better));
}
