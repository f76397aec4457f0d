/** Softmax cross entropy, with weights of classes and label smoothing. */
import * as ops from '../ops';
import { declareSettings, probability, type OptionsOf } from '../settings';
import { tensor, type Tensor } from '../tensor/tensor';
import { balancedWeights, classWeights, settledWeights } from './class-weights';
import {
  checkWeights,
  makeLoss,
  reduceExamples,
  reductionSettings,
  weightedMean,
  type Loss,
} from './reduction';

const settings = declareSettings({
  labelSmoothing: probability(
    'Share of the target that is spread over all classes, from 0 to 1 (Szegedy et al. 2016).',
    { default: 0 },
  ),
  classWeights: classWeights(
    "Weight of each class, or 'balanced': n / (K count_k) by the classes of the data set of fit. A mean over class indices is divided by the sum of their weights.",
    { optional: true },
  ),
  ...reductionSettings,
});

export type CrossEntropyOptions = OptionsOf<typeof settings>;

/**
 * Softmax cross entropy of logits [N, K] with class indices (i32 [N]) or probabilities (f32 [N, K], taken as
 * constants). With `classWeights` w, the loss of an example is -sum over k of w_k q_k log p_k, where q is the
 * smoothed target: PyTorch's CrossEntropyLoss with `weight`. The mean over class indices y is divided by the
 * sum of their w_y, the mean over probabilities by the number of examples.
 * @throws OptionError on unknown keys or numbers out of range; the loss itself ShapeError for weights of
 *   other classes
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const where = 'losses.crossEntropy';
  const { labelSmoothing: smoothing, classWeights: given, reduction } = settings.read(where, options);
  if (given === undefined)
    return makeLoss(
      reduction,
      (outputs, targets, weights) =>
        reduceExamples(where, ops.crossEntropy(outputs, targets, smoothing), reduction, weights),
      { logits: 'softmax' },
    );
  const numbersFor = (outputs: Tensor): Tensor =>
    tensor([...settledWeights(where, 'classWeights', given, outputs.shape.at(-1)!)]);
  const loss: Loss = (outputs, targets, weights) => {
    const plain = ops.crossEntropy(outputs, targets); // checks both
    const numbers = numbersFor(outputs);
    const perExample =
      targets.dtype === 'i32' && smoothing === 0
        ? ops.mul(plain, ops.gatherRows(numbers, targets))
        : ofShares(outputs, targets, { numbers, smoothing });
    if (weights !== undefined) checkWeights(where, weights, perExample);
    if (reduction !== 'mean' || targets.dtype !== 'i32')
      return reduceExamples(where, perExample, reduction, weights);
    const weighted = weights === undefined ? perExample : ops.mul(perExample, weights);
    return weightedMean(weighted, weightsOf(numbers, targets, weights)!);
  };
  return makeLoss(reduction, loss, {
    logits: 'softmax',
    ...(reduction === 'mean' && {
      divisor: (outputs, targets, weights) => {
        const each = weightsOf(numbersFor(outputs), targets, weights);
        return each && ops.sum(each);
      },
    }),
    ...(given === 'balanced' && {
      settle: (counts) => crossEntropy({ ...options, classWeights: balancedWeights(counts) }),
    }),
  });
}

interface Weighting {
  /** The weights of the classes, [K]. */
  readonly numbers: Tensor;
  readonly smoothing: number;
}

/** -sum over k of w_k q_k log p_k: the kernel takes any numbers for the shares of classes. */
function ofShares(outputs: Tensor, targets: Tensor, { numbers, smoothing }: Weighting): Tensor {
  const classes = outputs.shape[1]!;
  const shares = targets.dtype === 'i32' ? ops.oneHot(targets, classes) : targets;
  const smoothed = ops.affine(shares, 1 - smoothing, smoothing / classes);
  return ops.crossEntropy(outputs, ops.mul(smoothed, numbers));
}

/** The weight of each example in a mean; undefined where all count the same. */
function weightsOf(numbers: Tensor, targets: Tensor, weights: Tensor | undefined): Tensor | undefined {
  if (targets.dtype !== 'i32') return weights;
  const ofClasses = ops.gatherRows(numbers, targets);
  return weights === undefined ? ofClasses : ops.mul(ofClasses, weights);
}
