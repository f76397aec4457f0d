/** State of a module that is saved with it but not trained: running statistics. */
import { LazyTensor } from '../tensor/lazy';
import { checkShape, formatShape, type Shape } from '../tensor/shape';
import { clip } from '../options';

/**
 * A persistent f32 tensor that forward() may assign to. Kept in a field of a module, it is saved and
 * loaded with it.
 */
export class StateBuffer extends LazyTensor {
  /** What every element is at first. */
  readonly initial: number;
  /** True where it stays as it is in training, too: layers with running statistics then normalize by them. */
  frozen = false;

  constructor(shape: Shape, initial: number) {
    checkShape('buffer', shape);
    super([...shape], 'f32', undefined);
    this.initial = initial;
  }

  protected override get noun(): string {
    return 'buffer';
  }

  /** Name, shape and dtype, for messages. */
  override toString(): string {
    return `StateBuffer('${clip(this.name)}', ${formatShape(this.shape)})`;
  }
}

/** A buffer for a field of a module; every element is `initial` (0) at first. */
export function buffer(shape: Shape, initial = 0): StateBuffer {
  return new StateBuffer(shape, initial);
}
