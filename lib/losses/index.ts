/** Loss functions: made with their options once, called as `loss(outputs, targets)`, giving one number. */
import { ShapeError } from '../errors';
import * as ops from '../ops';
import { checkKeys, oneOf, probability } from '../options';
import { formatShape, sameShape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';

/**
 * Turns a model's outputs and the targets into one number (rank 0). `weights` (f32 [N]) weighs examples: a mean becomes
 * sum(w loss) / sum(w).
 */
export type Loss = (outputs: Tensor, targets: Tensor, weights?: Tensor) => Tensor;

/** How losses of examples become one number. */
export type Reduction = 'mean' | 'sum';

export interface CrossEntropyOptions {
  /** Share of the target that is spread over all classes, from 0 to 1 (Szegedy et al. 2016). Default 0. */
  readonly labelSmoothing?: number;
  /** Default 'mean'. */
  readonly reduction?: Reduction;
}

export interface MseOptions {
  /** Default 'mean', over all elements. */
  readonly reduction?: Reduction;
}

function reduce(
  where: string,
  perExample: Tensor,
  reduction: Reduction,
  weights: Tensor | undefined,
): Tensor {
  if (weights === undefined) return reduction === 'mean' ? ops.mean(perExample) : ops.sum(perExample);
  if (!sameShape(weights.shape, perExample.shape)) {
    throw new ShapeError(
      `${where}: weights must be ${formatShape(perExample.shape)}, got ${formatShape(weights.shape)}`,
    );
  }
  const total = ops.sum(ops.mul(perExample, weights));
  return reduction === 'mean' ? ops.div(total, ops.sum(weights)) : total;
}

/**
 * Softmax cross entropy of logits [N, K] with class indices (i32 [N]) or probabilities (f32 [N, K]).
 * @throws OptionError on unknown keys or numbers out of range
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const where = 'losses.crossEntropy';
  checkKeys(where, options, ['labelSmoothing', 'reduction']);
  const smoothing = probability(where, 'labelSmoothing', options.labelSmoothing ?? 0);
  const reduction = oneOf(where, 'reduction', options.reduction ?? 'mean', ['mean', 'sum'] as const);
  return (outputs, targets, weights) =>
    reduce(where, ops.crossEntropy(outputs, targets, smoothing), reduction, weights);
}

/** Squared difference of outputs and targets of one shape. @throws OptionError; the loss itself ShapeError when shapes differ */
export function mse(options: MseOptions = {}): Loss {
  const where = 'losses.mse';
  checkKeys(where, options, ['reduction']);
  const reduction = oneOf(where, 'reduction', options.reduction ?? 'mean', ['mean', 'sum'] as const);
  return (outputs, targets, weights) => {
    if (!sameShape(outputs.shape, targets.shape)) {
      throw new ShapeError(
        `${where}: outputs ${formatShape(outputs.shape)} and targets ${formatShape(targets.shape)} must have one shape`,
      );
    }
    const squares = ops.square(ops.sub(outputs, targets));
    if (weights === undefined) return reduce(where, squares, reduction, undefined);
    const axes = squares.shape.map((_, i) => i).slice(1);
    return reduce(
      where,
      reduction === 'mean' ? ops.mean(squares, { axes }) : ops.sum(squares, { axes }),
      reduction,
      weights,
    );
  };
}
