/** A trainable tensor of a module. Its numbers are drawn when the model is initialized, from the seed and the parameter's name. */
import { UninitializedError } from '../errors';
import type { DType } from './dtype';
import { type Shape } from './shape';
import type { Storage } from './storage';
import { Tensor, type Source } from './tensor';

/** Fills a fresh parameter. `name` is its path in the model: `features.0.weight`. */
export type Initializer = (shape: Shape, seed: number, name: string) => Tensor;

export class Parameter extends Tensor {
  /** Path in the model, set by initialize(). */
  name = '';
  /** False freezes it: no gradient is computed and no optimizer touches it. */
  requiresGrad = true;
  readonly initializer: Initializer;

  constructor(shape: Shape, initializer: Initializer, dtype: DType = 'f32') {
    super(shape, dtype, undefined);
    this.initializer = initializer;
  }

  get initialized(): boolean {
    return this.origin !== undefined;
  }

  override get source(): Source {
    if (this.origin === undefined) {
      const name = this.name === '' ? 'a parameter' : `parameter '${this.name}'`;
      throw new UninitializedError(
        `${name} has no values yet: call model.initialize({ seed }) or model.load(file) first`,
      );
    }
    return this.origin;
  }

  get storage(): Storage {
    const source = this.source;
    if (source.kind !== 'storage') throw new UninitializedError(`parameter '${this.name}' has no memory`);
    return source.storage;
  }

  /** Gives the parameter its memory. Called by Module.initialize and by loading. */
  materialize(storage: Storage): void {
    this.origin = { kind: 'storage', storage };
  }

  override toString(): string {
    return `Parameter('${this.name}', [${this.shape.join(', ')}])`;
  }
}
