/** Class indices as rows of zeros and a one. */
import { OptionError } from '../errors';
import { positiveInteger } from '../options';
import { tensor, type Tensor } from '../tensor/tensor';
import { equal } from './binary';
import { checkDType, checkRank } from './checks';
import { gatherRows } from './gather';
import { reshape } from './shape-ops';

/** Floats count exactly up to here. */
const MOST_CLASSES = 2 ** 24;

/** 0, 1, ..., count - 1 as f32, for a count of at most 2^24. @throws OptionError */
export function classNumbers(count: number): Tensor {
  positiveInteger('one_hot', 'classes', count);
  if (count > MOST_CLASSES) throw new OptionError(`one_hot: classes must be at most 2^24, got ${count}`);
  return tensor(Float32Array.from({ length: count }, (_, i) => i));
}

/**
 * Class indices (i32 [N]) as f32 [N], checked: an index outside [0, classes) rejects the run
 * with a DataError.
 */
export function classesAsFloats(target: Tensor, classes: number): Tensor {
  checkDType('one_hot', 'target', target, 'i32');
  checkRank('one_hot', 'target', target, 1);
  return gatherRows(classNumbers(classes), target);
}

/**
 * Class indices (i32 [N]) as f32 [N, classes]: 1 at the index, else 0. Not differentiable. An index outside
 * [0, classes) rejects the run with a DataError.
 * @throws OptionError, ShapeError, DTypeError
 */
export function oneHot(target: Tensor, classes: number): Tensor {
  const rows = reshape(classesAsFloats(target, classes), [target.size, 1]);
  return equal(rows, reshape(classNumbers(classes), [1, classes]));
}
