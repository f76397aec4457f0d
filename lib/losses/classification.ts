/** Losses of classifiers. */
import { OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { checkKeys, finite, nonNegative, oneOf, probability, show } from '../options';
import { formatShape } from '../tensor/shape';
import { checkTensor, tensor, type Tensor } from '../tensor/tensor';
import { checkOneShape, reduceElements, reduceExamples, reductionOf } from './reduction';
import type { Loss, ReductionOptions } from './reduction';

export interface CrossEntropyOptions extends ReductionOptions {
  /** Share of the target that is spread over all classes, from 0 to 1 (Szegedy et al. 2016). Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Softmax cross entropy of logits [N, K] with class indices (i32 [N]) or probabilities (f32 [N, K],
 * taken as constants).
 * @throws OptionError on unknown keys or numbers out of range
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const where = 'losses.crossEntropy';
  checkKeys(where, options, ['labelSmoothing', 'reduction']);
  const smoothing = probability(where, 'labelSmoothing', options.labelSmoothing ?? 0);
  const reduction = reductionOf(where, options);
  return (outputs, targets, weights) =>
    reduceExamples(where, ops.crossEntropy(outputs, targets, smoothing), reduction, weights);
}

export interface HingeOptions extends ReductionOptions {
  /** By how much the score of the right class should exceed the others. Default 1. */
  readonly margin?: number;
  /** Exponent of the amount by which the margin is missed: 1 or 2. Default 1. */
  readonly p?: 1 | 2;
  /**
   * 'mean' divides the sum over classes by their number, as PyTorch; 'sum' does not, as Weston &
   * Watkins 1999. Default 'mean'.
   */
  readonly classes?: 'mean' | 'sum';
}

/**
 * Multi-class hinge loss of scores [N, K] with class indices y (i32 [N]): sum over j other than y of
 * max(0, margin - x_y + x_j)^p, divided by K. PyTorch's MultiMarginLoss; the loss of a multi-class
 * support vector machine.
 * @throws OptionError on unknown keys or numbers out of range; the loss itself ShapeError, DTypeError
 */
export function hinge(options: HingeOptions = {}): Loss {
  const where = 'losses.hinge';
  checkKeys(where, options, ['margin', 'p', 'classes', 'reduction']);
  const margin = finite(where, 'margin', options.margin ?? 1);
  const p = oneOf(where, 'p', options.p ?? 1, [1, 2] as const);
  const over = oneOf(where, 'classes', options.classes ?? 'mean', ['mean', 'sum'] as const);
  const reduction = reductionOf(where, options);
  return (outputs, targets, weights) => {
    checkTensor(where, 'outputs', outputs);
    checkTensor(where, 'targets', targets);
    if (outputs.rank !== 2 || targets.shape[0] !== outputs.shape[0])
      throw new ShapeError(
        `${where}: expects outputs [N, K] and targets [N], got ${formatShape(outputs.shape)} and ${formatShape(targets.shape)}`,
      );
    const classes = outputs.shape[1]!;
    const right = ops.oneHot(targets, classes);
    const score = ops.sum(ops.mul(outputs, right), { axes: 1, keepDims: true });
    const missing = ops.relu(ops.affine(ops.sub(outputs, score), 1, margin));
    const others = ops.mul(p === 2 ? ops.square(missing) : missing, ops.sub(1, right));
    const perExample = ops.sum(others, { axes: 1 });
    const scaled = over === 'mean' ? ops.mul(perExample, 1 / classes) : perExample;
    return reduceExamples(where, scaled, reduction, weights);
  };
}

/** Class indices 0 and 1 may stand for the numbers. */
function asFloats(targets: Tensor): Tensor {
  return targets.dtype === 'i32' ? ops.cast(targets, 'f32') : targets;
}

/**
 * Cross entropy of probabilities with targets from 0 to 1, of one shape (targets f32, or i32 of zeros and
 * ones), over all elements. As in PyTorch's BCELoss, logarithms are at least -100. Prefer
 * binaryCrossEntropyWithLogits: it loses no digits.
 * @throws OptionError; the loss itself ShapeError
 */
export function binaryCrossEntropy(options: ReductionOptions = {}): Loss {
  const where = 'losses.binaryCrossEntropy';
  checkKeys(where, options, ['reduction']);
  const reduction = reductionOf(where, options);
  return (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    return reduceElements(where, ops.binaryCrossEntropy(outputs, asFloats(targets)), reduction, weights);
  };
}

export interface BinaryCrossEntropyWithLogitsOptions extends ReductionOptions {
  /** Weight of positive targets: one number, or one for each of the last axis' classes. Default 1. */
  readonly positiveWeight?: number | readonly number[];
}

/**
 * The same of the sigmoid of logits, as PyTorch's BCEWithLogitsLoss.
 * @throws OptionError on unknown keys or weights below 0; the loss itself ShapeError
 */
export function binaryCrossEntropyWithLogits(options: BinaryCrossEntropyWithLogitsOptions = {}): Loss {
  const where = 'losses.binaryCrossEntropyWithLogits';
  checkKeys(where, options, ['positiveWeight', 'reduction']);
  const reduction = reductionOf(where, options);
  const given = options.positiveWeight ?? 1;
  const positive = Array.isArray(given) ? (given as readonly unknown[]) : [given];
  const numbers = positive.map((w) => nonNegative(where, 'positiveWeight', w));
  if (numbers.length === 0) throw new OptionError(`${where}: positiveWeight must not be ${show(given)}`);
  return (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    const columns = outputs.shape.at(-1);
    if (numbers.length > 1 && numbers.length !== columns)
      throw new ShapeError(
        `${where}: ${numbers.length} weights do not fit the last axis of outputs ${formatShape(outputs.shape)}`,
      );
    const weight = numbers.length === 1 ? numbers[0]! : tensor(numbers);
    const losses = ops.binaryCrossEntropyWithLogits(outputs, asFloats(targets), weight);
    return reduceElements(where, losses, reduction, weights);
  };
}
