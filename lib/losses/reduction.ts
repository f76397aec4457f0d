/** From losses of examples or elements to one number. */
import { ShapeError } from '../errors';
import * as ops from '../ops';
import { oneOf, type OptionsOf } from '../settings';
import { formatShape, sameShape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';

/**
 * Turns a model's outputs and the targets into one number (rank 0), or with `reduction: 'none'` into one per
 * example or element. `weights` (f32 [N]) weighs examples: a mean becomes sum(w loss) / sum(w). Any function
 * of this form is a loss.
 */
export interface Loss {
  (outputs: Tensor, targets: Tensor, weights?: Tensor): Tensor;
  /**
   * What a mean of a batch was divided by, rank 0, so that means of batches make the mean of all examples:
   * the sum of their weights. Undefined, or absent: the number of examples.
   */
  readonly divisor?: (outputs: Tensor, targets: Tensor, weights?: Tensor) => Tensor | undefined;
  /**
   * The loss for a data set with these counts of classes. Present where a setting is 'balanced'; `fit`
   * calls it.
   */
  readonly settle?: (counts: readonly number[]) => Loss;
  /**
   * What the outputs are the logits of: of classes of which an example has one ('softmax'), or of independent
   * ones ('sigmoid'). Their probabilities are averaged where an evaluation makes several passes. Absent: of
   * classes where targets are class indices; other outputs are averaged as they are.
   */
  readonly logits?: 'softmax' | 'sigmoid';
}

const reductions = ['mean', 'sum', 'none'] as const;

/** How losses become one number; 'none' keeps them separate, for a loop of your own. */
export type Reduction = (typeof reductions)[number];

/** The setting that all losses have. */
export const reductionSettings = {
  reduction: oneOf(reductions)('How losses become one number.', { default: 'mean' }),
};

/** What losses of one number per example have in common. */
export type ReductionOptions = OptionsOf<typeof reductionSettings>;

/** A loss with its divisor, which by default is the sum of the weights that it is given. */
export function makeLoss(
  reduction: Reduction,
  loss: (outputs: Tensor, targets: Tensor, weights?: Tensor) => Tensor,
  more: Pick<Loss, 'divisor' | 'settle' | 'logits'> = {},
): Loss {
  const divisor: Loss['divisor'] = (_outputs, _targets, weights) => weights && ops.sum(weights);
  return Object.assign(loss, reduction === 'mean' && { divisor }, more);
}

/** A weighted sum over the sum of weights; 0 where all weights are 0. */
export function weightedMean(weighted: Tensor, weights: Tensor): Tensor {
  const total = ops.sum(weights);
  return ops.div(ops.sum(weighted), ops.add(total, ops.equal(total, 0)));
}

/** Class indices 0 and 1 may stand for the numbers. */
export function asFloats(targets: Tensor): Tensor {
  return targets.dtype === 'i32' ? ops.cast(targets, 'f32') : targets;
}

/**
 * Reduces losses of examples, [N].
 * @throws ShapeError when there are not as many weights, DTypeError when they are not a tensor
 */
export function reduceExamples(
  where: string,
  perExample: Tensor,
  reduction: Reduction,
  weights: Tensor | undefined,
): Tensor {
  if (weights !== undefined) checkWeights(where, weights, perExample);
  const weighted = weights === undefined ? perExample : ops.mul(perExample, weights);
  if (reduction === 'none') return weighted;
  if (reduction === 'sum') return ops.sum(weighted);
  return weights === undefined ? ops.mean(weighted) : weightedMean(weighted, weights);
}

/** @throws ShapeError unless there is a weight for each example, DTypeError for what is not a tensor */
export function checkWeights(where: string, weights: unknown, perExample: Tensor): asserts weights is Tensor {
  checkTensor(where, 'weights', weights);
  if (sameShape(weights.shape, perExample.shape)) return;
  throw new ShapeError(
    `${where}: weights must be ${formatShape(perExample.shape)}, got ${formatShape(weights.shape)}`,
  );
}

/** Reduces losses of elements, [N, ...]: a mean is over all of them, weighted by example. */
export function reduceElements(
  where: string,
  losses: Tensor,
  reduction: Reduction,
  weights: Tensor | undefined,
): Tensor {
  if (weights === undefined) {
    if (reduction === 'none') return losses;
    return reduction === 'mean' ? ops.mean(losses) : ops.sum(losses);
  }
  checkTensor(where, 'weights', weights);
  if (reduction === 'none') {
    const rows = [losses.shape[0] ?? 1, ...losses.shape.slice(1).map(() => 1)];
    if (weights.size !== rows[0]) return reduceExamples(where, losses, reduction, weights);
    return ops.mul(losses, ops.reshape(weights, rows));
  }
  const axes = losses.shape.map((_, i) => i).slice(1);
  const perExample = reduction === 'mean' ? ops.mean(losses, { axes }) : ops.sum(losses, { axes });
  return reduceExamples(where, perExample, reduction, weights);
}

/** @throws ShapeError */
export function checkOneShape(where: string, outputs: Tensor, targets: Tensor): void {
  checkTensor(where, 'outputs', outputs);
  checkTensor(where, 'targets', targets);
  if (sameShape(outputs.shape, targets.shape)) return;
  throw new ShapeError(
    `${where}: outputs ${formatShape(outputs.shape)} and targets ${formatShape(targets.shape)} must have one shape`,
  );
}
