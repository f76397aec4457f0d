/** From inputs, as data sets and users have them, to what forward() takes. */
import type { Tensor } from '../tensor/tensor';
import type { Module } from './module';

/** Records a model's outputs for inputs [N, ...], which go through its inputTransform first where it has one. */
export function forwardInputs(model: Module, inputs: Tensor): Tensor {
  return model.forward(model.inputTransform?.apply(inputs) ?? inputs);
}
