/**
 * Loss functions: made once with their options, and called as `loss(outputs, targets)`, which
 * returns one number.
 */
export { binaryCrossEntropy, binaryCrossEntropyWithLogits, crossEntropy, hinge } from './classification';
export type {
  BinaryCrossEntropyWithLogitsOptions,
  CrossEntropyOptions,
  HingeOptions,
} from './classification';
export { huber, l1, mse, smoothL1 } from './regression';
export type { HuberOptions, MseOptions, SmoothL1Options } from './regression';
export type { Loss, Reduction, ReductionOptions } from './reduction';
