/** Focal losses: cross entropy in which examples that are right already count for less. */
import { ShapeError } from '../errors';
import * as ops from '../ops';
import { declareSettings, nonNegative, probability, type OptionsOf } from '../settings';
import { formatShape } from '../tensor/shape';
import { checkTensor, tensor } from '../tensor/tensor';
import { balancedWeights, classWeights, settledWeights } from './class-weights';
import {
  asFloats,
  checkOneShape,
  makeLoss,
  reduceElements,
  reduceExamples,
  reductionSettings,
  type Loss,
} from './reduction';

const gamma = nonNegative(
  'How much less examples count that are right already: their loss is multiplied by (1 - p)^gamma. 0 is cross entropy.',
  { default: 2 },
);

const focalSettings = declareSettings({
  gamma,
  alpha: classWeights(
    "Factor of each class' loss, or 'balanced': n / (K count_k) by the classes of the data set of fit. Means are not divided by them.",
    { optional: true },
  ),
  ...reductionSettings,
});

export type FocalOptions = OptionsOf<typeof focalSettings>;

/**
 * Focal loss of logits [N, K] with class indices (i32 [N]) or probabilities (f32 [N, K]):
 * -sum over k of t_k alpha_k (1 - p_k)^gamma log p_k, p the softmax. Lin et al. 2017, "Focal loss for dense
 * object detection".
 * @throws OptionError; the loss itself ShapeError, DTypeError
 */
export function focal(options: FocalOptions = {}): Loss {
  const where = 'losses.focal';
  const { gamma: exponent, alpha, reduction } = focalSettings.read(where, options);
  const loss: Loss = (outputs, targets, weights) => {
    checkTensor(where, 'outputs', outputs);
    checkTensor(where, 'targets', targets);
    if (outputs.rank !== 2)
      throw new ShapeError(`${where}: expects outputs [N, K], got ${formatShape(outputs.shape)}`);
    const factors = alpha && tensor([...settledWeights(where, 'alpha', alpha, outputs.shape[1]!)]);
    const losses = ops.focalCrossEntropy(outputs, targets, exponent, factors);
    return reduceExamples(where, losses, reduction, weights);
  };
  return makeLoss(reduction, loss, {
    logits: 'softmax',
    ...(alpha === 'balanced' && {
      settle: (counts) => focal({ ...options, alpha: balancedWeights(counts) }),
    }),
  });
}

const sigmoidFocalSettings = declareSettings({
  gamma,
  alpha: probability('Factor of positive targets; that of negative ones is 1 - alpha. Default: 1 for both.', {
    optional: true,
  }),
  ...reductionSettings,
});

export type SigmoidFocalOptions = OptionsOf<typeof sigmoidFocalSettings>;

/**
 * Focal loss of the sigmoid of logits with targets from 0 to 1, of one shape (f32, or i32 of zeros and ones),
 * over all elements: binary cross entropy times (1 - p_t)^gamma and alpha_t, where p_t is the probability of
 * the target. torchvision's sigmoid_focal_loss, whose alpha is 0.25 by default. Lin et al. 2017.
 * @throws OptionError; the loss itself ShapeError
 */
export function sigmoidFocal(options: SigmoidFocalOptions = {}): Loss {
  const where = 'losses.sigmoidFocal';
  const { gamma: exponent, alpha, reduction } = sigmoidFocalSettings.read(where, options);
  const loss: Loss = (outputs, targets, weights) => {
    checkOneShape(where, outputs, targets);
    const losses = ops.sigmoidFocalCrossEntropy(outputs, asFloats(targets), exponent, alpha);
    return reduceElements(where, losses, reduction, weights);
  };
  return makeLoss(reduction, loss, { logits: 'sigmoid' });
}
