/** Losses of classifiers. */
import { OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { nonNegative as checkNonNegative, show } from '../options';
import { declareSettings, finite, kind, oneOf, probability, type OptionsOf } from '../settings';
import { formatShape } from '../tensor/shape';
import { checkTensor, tensor, type Tensor } from '../tensor/tensor';
import { checkOneShape, reduceElements, reduceExamples, reductionSettings } from './reduction';
import type { Loss, ReductionOptions } from './reduction';

const settings = declareSettings(reductionSettings);

const crossEntropySettings = declareSettings({
  labelSmoothing: probability(
    'Share of the target that is spread over all classes, from 0 to 1 (Szegedy et al. 2016).',
    { default: 0 },
  ),
  ...reductionSettings,
});

export type CrossEntropyOptions = OptionsOf<typeof crossEntropySettings>;

/**
 * Softmax cross entropy of logits [N, K] with class indices (i32 [N]) or probabilities (f32 [N, K],
 * taken as constants).
 * @throws OptionError on unknown keys or numbers out of range
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const where = 'losses.crossEntropy';
  const { labelSmoothing: smoothing, reduction } = crossEntropySettings.read(where, options);
  return (outputs, targets, weights) =>
    reduceExamples(where, ops.crossEntropy(outputs, targets, smoothing), reduction, weights);
}

const hingeSettings = declareSettings({
  margin: finite('By how much the score of the right class should exceed the others.', { default: 1 }),
  p: oneOf([1, 2])('Exponent of what is missing: 1 or 2.', { default: 1 }),
  classes: oneOf(['mean', 'sum'])(
    "'mean' divides the sum over classes by their number, as PyTorch; 'sum' does not, as Weston & Watkins 1999.",
    { default: 'mean' },
  ),
  ...reductionSettings,
});

export type HingeOptions = OptionsOf<typeof hingeSettings>;

/**
 * Multi-class hinge loss of scores [N, K] with class indices y (i32 [N]): sum over j other than y of
 * max(0, margin - x_y + x_j)^p, divided by K. PyTorch's MultiMarginLoss; the loss of a multi-class
 * support vector machine.
 * @throws OptionError on unknown keys or numbers out of range; the loss itself ShapeError, DTypeError
 */
export function hinge(options: HingeOptions = {}): Loss {
  const where = 'losses.hinge';
  const { margin, p, classes: over, reduction } = hingeSettings.read(where, options);
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
  const { reduction } = settings.read(where, options);
  return (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    return reduceElements(where, ops.binaryCrossEntropy(outputs, asFloats(targets)), reduction, weights);
  };
}

const weightsOfClasses = kind<readonly number[], number | readonly number[]>({
  check: (where, name, value) => {
    const weights = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    if (weights.length === 0) throw new OptionError(`${where}: ${name} must not be ${show(value)}`);
    return weights.map((weight) => checkNonNegative(where, name, weight));
  },
  domain: { type: 'list', of: { type: 'number', minimum: 0 } },
});

const withLogitsSettings = declareSettings({
  positiveWeight: weightsOfClasses(
    "Weight of positive targets: one number, or one for each of the last axis' classes.",
    { default: 1 },
  ),
  ...reductionSettings,
});

export type BinaryCrossEntropyWithLogitsOptions = OptionsOf<typeof withLogitsSettings>;

/**
 * The same of the sigmoid of logits, as PyTorch's BCEWithLogitsLoss.
 * @throws OptionError on unknown keys or weights below 0; the loss itself ShapeError
 */
export function binaryCrossEntropyWithLogits(options: BinaryCrossEntropyWithLogitsOptions = {}): Loss {
  const where = 'losses.binaryCrossEntropyWithLogits';
  const { positiveWeight: numbers, reduction } = withLogitsSettings.read(where, options);
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
