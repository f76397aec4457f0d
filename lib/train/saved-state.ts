/** What checkpoints keep of callbacks, and what a callback that takes it back sees of the run. */
import type { Module } from '../nn/module';
import type { WeightAverage } from '../optim/average';
import type { Json } from '../settings';
import type { Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';

/** What a checkpoint keeps of a callback. */
export interface CallbackState {
  /** Plain data; its numbers must be finite. */
  readonly data: Json;
  /** Tensors by name, f32. Default none. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
}

/**
 * The state of a callback, read back from a checkpoint. Anyone may have written the file, so `data` may hold
 * anything, and tensors may have any names and shapes.
 */
export interface SavedCallbackState {
  readonly data: unknown;
  readonly tensors: SavedTensors;
}

/** Tensors of a file, by name. */
export type SavedTensors = ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>;

/** What a run trains, as a callback sees it before the run continues. */
export interface ResumedRun {
  readonly model: Module;
  readonly average: WeightAverage | undefined;
}
