/** Losses of classifiers besides cross entropy: hinge, and binary cross entropy. */
import { DataError, OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { nonNegative as checkNonNegative, show } from '../options';
import { declareSettings, finite, kind, oneOf, type OptionsOf } from '../settings';
import { formatShape } from '../tensor/shape';
import { checkTensor, tensor } from '../tensor/tensor';
import {
  balancedWeights,
  classWeights,
  settledNumbers,
  settledWeights,
  type ClassWeights,
} from './class-weights';
import {
  asFloats,
  checkOneShape,
  makeLoss,
  reduceElements,
  reduceExamples,
  reductionSettings,
  type Loss,
  type ReductionOptions,
} from './reduction';

const settings = declareSettings(reductionSettings);

const hingeSettings = declareSettings({
  margin: finite('By how much the score of the right class should exceed the others.', { default: 1 }),
  p: oneOf([1, 2])('Exponent of what is missing: 1 or 2.', { default: 1 }),
  classes: oneOf(['mean', 'sum'])(
    "'mean' divides the sum over classes by their number, as PyTorch; 'sum' does not, as Weston & Watkins 1999.",
    { default: 'mean' },
  ),
  classWeights: classWeights(
    "Factor of each class' examples, or 'balanced': n / (K count_k) by the classes of the data set of fit. A mean is not divided by them, as PyTorch.",
    { optional: true },
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
  const { margin, p, classes: over, classWeights: given, reduction } = hingeSettings.read(where, options);
  const loss: Loss = (outputs, targets, weights) => {
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
    if (given === undefined) return reduceExamples(where, scaled, reduction, weights);
    const numbers = tensor([...settledWeights(where, 'classWeights', given, classes)]);
    const weighted = ops.mul(scaled, ops.gatherRows(numbers, targets));
    return reduceExamples(where, weighted, reduction, weights);
  };
  return makeLoss(reduction, loss, {
    ...(given === 'balanced' && {
      settle: (counts) => hinge({ ...options, classWeights: balancedWeights(counts) }),
    }),
  });
}

/**
 * Cross entropy of probabilities p with targets t from 0 to 1, of one shape [N, ...] (targets f32, or i32 of
 * zeros and ones): -(t log p + (1 - t) log(1 - p)), by default a mean over all elements. As in PyTorch's
 * BCELoss, logarithms are at least -100. Prefer binaryCrossEntropyWithLogits: it loses no digits.
 * @throws OptionError; the loss itself ShapeError
 */
export function binaryCrossEntropy(options: ReductionOptions = {}): Loss {
  const where = 'losses.binaryCrossEntropy';
  const { reduction } = settings.read(where, options);
  return makeLoss(reduction, (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    return reduceElements(where, ops.binaryCrossEntropy(outputs, asFloats(targets)), reduction, weights);
  });
}

const positiveWeights = kind<ClassWeights, number | ClassWeights>({
  check: (where, name, value) => {
    if (value === 'balanced') return value;
    const weights = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    if (weights.length === 0) throw new OptionError(`${where}: ${name} must not be ${show(value)}`);
    return weights.map((weight) => checkNonNegative(where, name, weight));
  },
  domain: { type: 'list', of: { type: 'number', minimum: 0 } },
});

const withLogitsSettings = declareSettings({
  positiveWeight: positiveWeights(
    "Weight of positive targets: one number, or one for each of the last axis' classes. 'balanced' is for the two classes of the data set of fit: count_0 / count_1.",
    { default: 1 },
  ),
  ...reductionSettings,
});

export type BinaryCrossEntropyWithLogitsOptions = OptionsOf<typeof withLogitsSettings>;

/**
 * Binary cross entropy of the sigmoid of logits x, f32 [N, ...], with targets t from 0 to 1 of the same
 * shape: -(w t log p + (1 - t) log(1 - p)) with p = 1 / (1 + e^-x) and w of `positiveWeight`, by default a
 * mean over all elements. PyTorch's BCEWithLogitsLoss.
 * @throws OptionError on unknown keys or weights below 0; the loss itself ShapeError
 */
export function binaryCrossEntropyWithLogits(options: BinaryCrossEntropyWithLogitsOptions = {}): Loss {
  const where = 'losses.binaryCrossEntropyWithLogits';
  const { positiveWeight: given, reduction } = withLogitsSettings.read(where, options);
  const loss: Loss = (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    const columns = outputs.shape.at(-1);
    const numbers = settledNumbers(where, 'positiveWeight', given);
    if (numbers.length > 1 && numbers.length !== columns)
      throw new ShapeError(
        `${where}: ${numbers.length} weights do not fit the last axis of outputs ${formatShape(outputs.shape)}`,
      );
    const weight = numbers.length === 1 ? numbers[0]! : tensor([...numbers]);
    const losses = ops.binaryCrossEntropyWithLogits(outputs, asFloats(targets), weight);
    return reduceElements(where, losses, reduction, weights);
  };
  return makeLoss(reduction, loss, {
    logits: 'sigmoid',
    ...(given === 'balanced' && {
      settle: (counts) =>
        binaryCrossEntropyWithLogits({ ...options, positiveWeight: negativesPerPositive(where, counts) }),
    }),
  });
}

function negativesPerPositive(where: string, counts: readonly number[]): number {
  const [negative, positive] = counts;
  if (counts.length !== 2 || negative === undefined || positive === undefined)
    throw new OptionError(
      `${where}: positiveWeight 'balanced' is for two classes, the data set has ${counts.length}`,
    );
  if (positive === 0 || negative === 0)
    throw new DataError(`${where}: positiveWeight 'balanced' needs examples of both classes`);
  return negative / positive;
}
