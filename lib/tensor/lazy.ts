/** A tensor of a module that gets its memory when the model is initialized or loaded: parameters and buffers. */
import { UninitializedError } from '../errors';
import type { Storage } from './storage';
import { Tensor, type Source } from './tensor';

export abstract class LazyTensor extends Tensor {
  /** Path in the model, set by initialize(). */
  name = '';

  /** What messages call it: `parameter`. */
  protected abstract get noun(): string;

  get initialized(): boolean {
    return this.origin !== undefined;
  }

  override get source(): Source {
    if (this.origin === undefined) {
      const name = this.name === '' ? `a ${this.noun}` : `${this.noun} '${this.name}'`;
      throw new UninitializedError(
        `${name} has no values yet: call model.initialize({ seed }) or model.load(file) first`,
      );
    }
    return this.origin;
  }

  get storage(): Storage {
    const source = this.source;
    if (source.kind !== 'storage') throw new UninitializedError(`${this.noun} '${this.name}' has no memory`);
    return source.storage;
  }

  /** Gives it its memory. Called by Module.initialize and by loading. */
  materialize(storage: Storage): void {
    this.origin = { kind: 'storage', storage };
  }
}
