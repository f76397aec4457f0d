/** What a layer with dropped connections returns, drawn from a normal distribution of the same moments. */
import * as ops from '../../ops';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';

const one = runtimeScalar(() => 1);

/**
 * x weight^T + bias with connections dropped with probability `p` has mean x weight^T + bias and variance p /
 * (1 - p) x^2 (weight^2)^T, as what is kept is divided by 1 - p. For many inputs it is close to normal (Wan
 * et al. 2013, section 3.2). `p` is read in each run; at 1 the mean alone is left.
 */
export function momentMatched(x: Tensor, weight: Tensor, bias: Tensor | undefined, p: () => number): Tensor {
  const mean = ops.linear(x, weight, bias);
  const ratio = ops.fromScalar(runtimeScalar(() => (p() < 1 ? p() / (1 - p()) : 0)));
  const variance = ops.mul(ops.linear(ops.square(x), ops.square(weight)), ratio);
  const normal = ops.gaussianNoise(ops.full(mean.shape, 0), one);
  return ops.add(mean, ops.mul(ops.sqrt(variance), normal));
}
