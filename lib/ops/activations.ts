/** Activations made of other ops. */
import { ShapeError } from '../errors';
import { finite } from '../options';
import { formatShape } from '../tensor/shape';
import { checkTensor, type Tensor } from '../tensor/tensor';
import { add, div, maximum, minimum, mul, sub } from './binary';
import { reshape } from './shape-ops';
import { softplus } from './softplus';
import { abs, affine, elu, neg, relu, relu6, tanh } from './unary';

/**
 * x for x > 0, otherwise weight x, with one weight [1] or a weight for each channel of x [N, C, ...] (He
 * et al. 2015).
 * @throws ShapeError unless weight has one element or one per channel
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  checkTensor('prelu', 'x', x);
  checkTensor('prelu', 'weight', weight);
  const channels = x.rank > 1 ? x.shape[1]! : 1;
  if (weight.rank !== 1 || (weight.size !== 1 && weight.size !== channels)) {
    throw new ShapeError(
      `prelu: weight must be [1] or [${channels}] for x ${formatShape(x.shape)}, got ${formatShape(weight.shape)}`,
    );
  }
  const spread = x.rank > 1 ? [1, weight.size, ...x.shape.slice(2).map(() => 1)] : [1];
  const positive = relu(x);
  // The derivative at 0 is the weight, as in PyTorch.
  return add(positive, mul(sub(x, positive), reshape(weight, spread)));
}

/** x tanh(log(1 + e^x)). Misra 2019. */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(softplus(x)));
}

/** elu with the alpha and scale that keep mean 0 and variance 1 (Klambauer et al. 2017). */
export function selu(x: Tensor): Tensor {
  return affine(elu(x, 1.6732632423543772), 1.0507009873554805);
}

/** log sigmoid(x), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return div(x, affine(abs(x), 1, 1));
}

/** min(max(x, low), high). At a bound the derivative is 1/2. */
export function hardTanh(x: Tensor, low = -1, high = 1): Tensor {
  return minimum(maximum(x, finite('hard_tanh', 'low', low)), finite('hard_tanh', 'high', high));
}

/** min(max(x + 3, 0), 6) / 6 */
export function hardSigmoid(x: Tensor): Tensor {
  return affine(relu6(affine(x, 1, 3)), 1 / 6);
}

/** x min(max(x + 3, 0), 6) / 6. Howard et al. 2019. */
export function hardSwish(x: Tensor): Tensor {
  return mul(x, hardSigmoid(x));
}

/** The tanh form of gelu: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
export function geluTanh(x: Tensor): Tensor {
  const cube = mul(mul(x, x), x);
  const inner = affine(add(x, affine(cube, 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(x, affine(tanh(inner), 0.5, 0.5));
}
