/**
 * A tensor of a module that gets its memory when the model is initialized or loaded: parameters and buffers.
 */
import { UninitializedError } from '../errors';
import { clip } from '../options';
import { Storage } from './storage';
import { Tensor } from './tensor';

export abstract class LazyTensor extends Tensor {
  /** Path in the model, set by initialize(). */
  name = '';
  private memory: Storage | undefined;

  /** What messages call it: `parameter`. */
  protected abstract get noun(): string;

  /** Whether it has values. */
  get initialized(): boolean {
    return this.memory !== undefined;
  }

  /** @internal @throws UninitializedError while it has no memory */
  get storage(): Storage {
    return this.memory ?? this.refuse();
  }

  /** @internal Sets its memory. Called by Module.initialize and by loading. */
  materialize(storage: Storage): void {
    this.memory = storage;
    this.origin = { kind: 'storage', storage };
  }

  /** @internal Takes its memory away: it then has no values, as before `materialize`. */
  letGo(): void {
    this.dispose();
    this.memory = undefined;
    this.origin = undefined;
  }

  override dispose(): void {
    this.memory?.dispose();
  }

  protected override refuse(): never {
    const name = this.name === '' ? `a ${this.noun}` : `${this.noun} '${clip(this.name)}'`;
    throw new UninitializedError(
      `${name} has no values yet: call model.initialize({ seed }) or model.load(file) first`,
    );
  }
}

/**
 * Runs `fn` with memory for all of these tensors; where it throws, those that had none before
 * have none again.
 */
export function withMemory(tensors: Iterable<LazyTensor>, fn: () => void): void {
  const fresh = [...tensors].filter((tensor) => !tensor.initialized);
  try {
    for (const tensor of fresh) tensor.materialize(new Storage(tensor.shape, tensor.dtype));
    fn();
  } catch (error) {
    for (const tensor of fresh) tensor.letGo();
    throw error;
  }
}
