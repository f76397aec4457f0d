/**
 * Loss functions: made once with their options, and called as `loss(outputs, targets)`, which
 * returns one number.
 */
export { balancedWeights, type ClassWeights } from './class-weights';
export { binaryCrossEntropy, binaryCrossEntropyWithLogits, hinge } from './classification';
export type { BinaryCrossEntropyWithLogitsOptions, HingeOptions } from './classification';
export { crossEntropy, type CrossEntropyOptions } from './cross-entropy';
export { focal, sigmoidFocal, type FocalOptions, type SigmoidFocalOptions } from './focal';
export { huber, l1, mse, smoothL1 } from './regression';
export type { HuberOptions, MseOptions, SmoothL1Options } from './regression';
export type { Loss, Reduction, ReductionOptions } from './reduction';
