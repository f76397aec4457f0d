/** How often the right class is the best one, or among the best. */
import * as ops from '../ops';
import { OptionError } from '../errors';
import { positiveInteger } from '../options';
import { checkScores, type Metric } from './metric';

/**
 * Share of examples whose largest output is at the target class (i32 [N]), or at the largest of soft targets
 * (f32 [N, K]). Among equal outputs the first counts as larger, NaN as the largest of all. A label outside
 * [0, K) rejects the run with a DataError.
 */
export function accuracy(): Metric {
  return { ...topK(1), name: 'accuracy' };
}

/**
 * Share of examples whose target class is among the k largest outputs; topK(1) is the accuracy, and targets
 * are as there.
 * @throws OptionError; counting ShapeError, and OptionError when there are fewer than k classes
 */
export function topK(k: number): Metric {
  const where = 'metrics.topK';
  positiveInteger(where, 'k', k);
  return {
    name: `top${k}`,
    shape: [],
    count: (outputs, targets) => {
      const [, classes] = checkScores(where, outputs, targets);
      if (k > classes) throw new OptionError(`${where}: k is ${k}, but there are ${classes} classes`);
      return ops.countTopK(outputs, targets, k);
    },
    value: (sums, examples) => sums[0]! / examples,
  };
}
