/** A trainable tensor of a module. Its numbers are drawn when the model is initialized, from the seed and the parameter's name. */
import type { DType } from './dtype';
import { type Shape } from './shape';
import { LazyTensor } from './lazy';
import type { Tensor } from './tensor';

/** Fills a fresh parameter. `name` is its path in the model: `features.0.weight`. */
export type Initializer = (shape: Shape, seed: number, name: string) => Tensor;

export class Parameter extends LazyTensor {
  /** False freezes it: no gradient is computed and no optimizer touches it. */
  requiresGrad = true;
  /** Whether it scales or shifts normalized values: no weight of a product then, whatever its rank. */
  ofNormalization = false;
  /** May be replaced until the weights are drawn. */
  initializer: Initializer;

  constructor(shape: Shape, initializer: Initializer, dtype: DType = 'f32') {
    super(shape, dtype, undefined);
    this.initializer = initializer;
  }

  protected override get noun(): string {
    return 'parameter';
  }

  override toString(): string {
    return `Parameter('${this.name}', [${this.shape.join(', ')}])`;
  }
}
