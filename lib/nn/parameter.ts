/** Parameters of modules. */
import { Parameter, type Initializer } from '../tensor/parameter';
import { checkShape, type Shape } from '../tensor/shape';

/** A trainable tensor for a field of a module. Its numbers are drawn by `model.initialize({ seed })`. */
export function parameter(shape: Shape, initializer: Initializer): Parameter {
  checkShape('parameter', shape);
  return new Parameter([...shape], initializer);
}
