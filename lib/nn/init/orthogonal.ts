/** Orthogonal initial weights. */
import { ShapeError } from '../../errors';
import * as ops from '../../ops';
import { finite } from '../../options';
import type { Initializer } from '../../tensor/parameter';
import { formatShape } from '../../tensor/shape';

/**
 * A random orthogonal matrix times `gain` (Saxe, McClelland, Ganguli 2013), of the weight as [first axis, all
 * others]: its rows are orthonormal, or its columns where it has more rows than columns. The time grows with
 * the square of the smaller side times the larger: 4096 x 4096 takes some seconds.
 * @throws OptionError; ShapeError below rank 2
 */
export function orthogonal(gain = 1): Initializer {
  finite('init.orthogonal', 'gain', gain);
  return (shape, seed, name) => {
    if (shape.length < 2)
      throw new ShapeError(`init.orthogonal needs a weight of rank 2 or more, got ${formatShape(shape)}`);
    return ops.orthonormal(ops.randomNormal(shape, seed, name), gain);
  };
}
