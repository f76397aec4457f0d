/** State of a module that is saved with it but not trained: running statistics. */
import { UninitializedError } from '../errors';
import { checkShape, type Shape } from '../tensor/shape';
import type { Storage } from '../tensor/storage';
import { Tensor, type Source } from '../tensor/tensor';

/** A persistent f32 tensor that forward() may assign to. Kept in a field of a module, it is saved and loaded with it. */
export class StateBuffer extends Tensor {
  /** Path in the model, set by initialize(). */
  name = '';
  /** What every element is at first. */
  readonly initial: number;

  constructor(shape: Shape, initial: number) {
    checkShape('buffer', shape);
    super([...shape], 'f32', undefined);
    this.initial = initial;
  }

  get initialized(): boolean {
    return this.origin !== undefined;
  }

  override get source(): Source {
    if (this.origin === undefined) {
      const name = this.name === '' ? 'a buffer' : `buffer '${this.name}'`;
      throw new UninitializedError(
        `${name} has no values yet: call model.initialize({ seed }) or model.load(file) first`,
      );
    }
    return this.origin;
  }

  get storage(): Storage {
    const source = this.source;
    if (source.kind !== 'storage') throw new UninitializedError(`buffer '${this.name}' has no memory`);
    return source.storage;
  }

  /** Gives the buffer its memory. Called by Module.initialize and by loading. */
  materialize(storage: Storage): void {
    this.origin = { kind: 'storage', storage };
  }

  override toString(): string {
    return `StateBuffer('${this.name}', [${this.shape.join(', ')}])`;
  }
}

/** A buffer for a field of a module; every element is `initial` (0) at first. */
export function buffer(shape: Shape, initial = 0): StateBuffer {
  return new StateBuffer(shape, initial);
}
