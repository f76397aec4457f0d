/** Turns inputs, as data sets and users have them, into what forward() takes. */
import type { FittedTransform } from '../preprocess/fitted';
import type { Tensor } from '../tensor/tensor';

/** What it takes of a model to run inputs through it. */
export interface Forwarding {
  readonly inputTransform?: FittedTransform;
  forward(x: Tensor): Tensor;
}

/**
 * Records a model's outputs for inputs [N, ...], which go through its inputTransform first where it has one.
 */
export function forwardInputs(model: Forwarding, inputs: Tensor): Tensor {
  return forwardThrough(model.inputTransform, model, inputs);
}

/** As forwardInputs, with a transform that was the model's at some moment before. */
export function forwardThrough(
  transform: FittedTransform | undefined,
  model: Pick<Forwarding, 'forward'>,
  inputs: Tensor,
): Tensor {
  return model.forward(transform?.apply(inputs) ?? inputs);
}
