/**
 * Focal cross entropy: the loss of each class or element times (1 - p)^gamma, so that what is right already
 * counts for less. Lin et al. 2017. 1 - p is computed without cancellation where p is near 1.
 */
import { ShapeError } from '../errors';
import { nonNegative, probability } from '../options';
import { formatShape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { add, maximum, mul, sub } from './binary';
import { asF32, binaryCrossEntropyWithLogits } from './binary-cross-entropy';
import { checkRank } from './checks';
import { checkTarget } from './cross-entropy';
import { oneHot } from './one-hot';
import { sum } from './reduce';
import { logSoftmax } from './softmax';
import { affine, elu, exp, log, neg, sigmoid, square } from './unary';

/** The smallest normal number of f32: its logarithm, and the inverse of it, are finite. */
const TINY = 2 ** -126;

/** x^gamma for x from 0 to 1; undefined for gamma 0. */
function power(x: Tensor, gamma: number): Tensor | undefined {
  if (gamma === 0) return undefined;
  if (gamma === 1) return x;
  if (gamma === 2) return square(x);
  return exp(affine(log(maximum(x, TINY)), gamma));
}

function times(x: Tensor, factor: Tensor | undefined): Tensor {
  return factor === undefined ? x : mul(x, factor);
}

/**
 * Loss of each example, f32 [B]: -sum over k of t_k alpha_k (1 - p_k)^gamma log p_k, where p is the softmax
 * of x [B, K]. Targets are class indices (i32 [B]) or probabilities (f32 [B, K]), which are constants; alpha
 * is f32 [K], default 1. A class index outside [0, K) makes the run reject with a DataError.
 * @throws OptionError, ShapeError, DTypeError
 */
export function focalCrossEntropy(x: Tensor, target: Tensor, gamma: number, alpha?: Tensor): Tensor {
  const where = 'focal_cross_entropy';
  checkTarget(where, x, target);
  nonNegative(where, 'gamma', gamma);
  const classes = x.shape[1]!;
  if (alpha !== undefined) {
    checkTensor(where, 'alpha', alpha);
    checkRank(where, 'alpha', alpha, 1);
    if (alpha.shape[0] !== classes)
      throw new ShapeError(`${where}: alpha must be [${classes}], got ${formatShape(alpha.shape)}`);
  }
  const logs = logSoftmax(asF32(x));
  // 1 - p = -(e^log p - 1), and elu(x) is e^x - 1 below 0.
  const focused = times(neg(logs), power(neg(elu(logs)), gamma));
  const shares = target.dtype === 'i32' ? oneHot(target, classes) : target;
  return sum(mul(times(shares, alpha), focused), { axes: 1 });
}

/**
 * Element by element, of one shape: the binary cross entropy of sigmoid(x) with targets t times (1 -
 * p_t)^gamma, p_t = t p + (1 - t) (1 - p), and times alpha t + (1 - alpha) (1 - t) if there is an alpha.
 * @throws OptionError, ShapeError, DTypeError
 */
export function sigmoidFocalCrossEntropy(x: Tensor, target: Tensor, gamma: number, alpha?: number): Tensor {
  const where = 'sigmoid_focal_cross_entropy';
  nonNegative(where, 'gamma', gamma);
  const losses = binaryCrossEntropyWithLogits(x, target);
  const logits = asF32(x);
  const missed = add(mul(target, sigmoid(neg(logits))), mul(sub(1, target), sigmoid(logits)));
  const focused = times(losses, power(missed, gamma));
  if (alpha === undefined) return focused;
  probability(where, 'alpha', alpha);
  return mul(affine(target, 2 * alpha - 1, 1 - alpha), focused);
}
