/** Initial weights: recipes over the random stream (seed, parameter name), so that they do not depend on the order of creation. */
import { ShapeError } from '../errors';
import * as ops from '../ops';
import { finite, nonNegative } from '../options';
import { Parameter, type Initializer } from '../tensor/parameter';
import { checkShape, formatShape, numel, type Shape } from '../tensor/shape';

/** Inputs of one output: everything but the first axis, as in PyTorch. */
export function fanIn(shape: Shape): number {
  if (shape.length < 2)
    throw new ShapeError(`fan-in needs a weight of rank 2 or more, got ${formatShape(shape)}`);
  return numel(shape.slice(1));
}

/** Every element `value`. */
export function constant(value: number): Initializer {
  finite('init.constant', 'value', value);
  return (shape) => ops.full(shape, value);
}

/** Uniform in [low, high). */
export function uniform(low: number, high: number): Initializer {
  finite('init.uniform', 'low', low);
  finite('init.uniform', 'high', high);
  return (shape, seed, name) => ops.randomUniform(shape, seed, name, low, high);
}

/** Normal. */
export function normal(mean = 0, std = 1): Initializer {
  finite('init.normal', 'mean', mean);
  nonNegative('init.normal', 'std', std);
  return (shape, seed, name) => ops.randomNormal(shape, seed, name, mean, std);
}

/**
 * Uniform within +-sqrt(6 / ((1 + a^2) fanIn)) (He et al. 2015, for leaky ReLU of slope a). The default a = sqrt 5, PyTorch's for
 * convolution and linear layers, gives +-1/sqrt(fanIn).
 */
export function kaimingUniform(a = Math.sqrt(5)): Initializer {
  finite('init.kaimingUniform', 'a', a);
  return (shape, seed, name) => {
    const bound = Math.sqrt(6 / ((1 + a * a) * Math.max(1, fanIn(shape))));
    return ops.randomUniform(shape, seed, name, -bound, bound);
  };
}

/** Normal with deviation sqrt(2 / fanIn) (He et al. 2015, for ReLU). */
export function kaimingNormal(): Initializer {
  return (shape, seed, name) =>
    ops.randomNormal(shape, seed, name, 0, Math.sqrt(2 / Math.max(1, fanIn(shape))));
}

/** A trainable tensor for a field of a module. Its numbers are drawn by `model.initialize({ seed })`. */
export function parameter(shape: Shape, initializer: Initializer): Parameter {
  checkShape('parameter', shape);
  return new Parameter([...shape], initializer);
}
