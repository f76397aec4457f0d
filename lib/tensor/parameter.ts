/**
 * A trainable tensor of a module. Its numbers are drawn when the model is initialized, from the seed and
 * the parameter's name.
 */
import type { DType } from './dtype';
import { formatShape, type Shape } from './shape';
import { LazyTensor } from './lazy';
import type { Tensor } from './tensor';
import { clip } from '../options';

/** Fills a fresh parameter. `name` is its path in the model: `features.0.weight`. */
export type Initializer = (shape: Shape, seed: number, name: string) => Tensor;

/**
 * Which elements of a parameter are pruned: 0 where it is held at 0, 1 elsewhere; of the parameter's shape.
 */
export abstract class ParameterMask extends LazyTensor {
  protected override get noun(): string {
    return 'mask';
  }

  /** `value`, of the parameter's shape, with zeros where the parameter is pruned. */
  abstract apply(value: Tensor): Tensor;
}

/** A tensor that training changes. Its name, PyTorch's, is its place in the model. */
export class Parameter extends LazyTensor {
  /** False freezes it: no gradient is computed and no optimizer touches it. */
  requiresGrad = true;
  /**
   * Whether it scales or shifts normalized values. It is then not the weight of a product, whatever its rank.
   */
  ofNormalization = false;
  /**
   * Set where a part of it is pruned (lib/prune). Whatever is assigned to the parameter has zeros there, and
   * so have its gradients and the optimizer's state. Saved with the model as `NAME_mask`.
   */
  mask: ParameterMask | undefined;
  /** May be replaced until the weights are drawn. */
  initializer: Initializer;

  constructor(shape: Shape, initializer: Initializer, dtype: DType = 'f32') {
    super(shape, dtype, undefined);
    this.initializer = initializer;
  }

  protected override get noun(): string {
    return 'parameter';
  }

  override admit(value: Tensor): Tensor {
    return this.mask?.apply(value) ?? value;
  }

  /** Name, shape and dtype, for messages. */
  override toString(): string {
    return `Parameter('${clip(this.name)}', ${formatShape(this.shape)})`;
  }
}
