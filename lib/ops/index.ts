/**
 * Every op. Adding one: its file here, its kernel in native/kernels, its test in test/ops, and a line below.
 */
export * from './activations';
export { adaptiveAvgPool2d, adaptiveMaxPool2d, type AdaptiveSize } from './adaptive-pool2d';
export { asImages } from './as-images';
export * from './batch-norm';
export { add, div, equal, maximum, minimum, mul, sub, type Operandish } from './binary';
export { binaryCrossEntropy, binaryCrossEntropyWithLogits } from './binary-cross-entropy';
export { cast } from './cast';
export { conv1d, type Conv1dOptions } from './conv1d';
export { conv2d, convOutputSize, type Conv2dAlgorithm, type Conv2dOptions } from './conv2d';
export { convTranspose1d, convTranspose2d } from './conv-transpose';
export type { ConvTranspose1dOptions, ConvTranspose2dOptions } from './conv-transpose';
export * from './create';
export { countCorrect, countTopK, crossEntropy } from './cross-entropy';
export * from './dropout';
export * from './focal';
export { fractionalMaxPool2d } from './fractional-max-pool2d';
export type { FractionalKernel, FractionalMaxPool2dOptions } from './fractional-max-pool2d';
export { gatherRows } from './gather';
export * from './group-norm';
export { imageBatch, type ImageBatchOptions } from './image-batch';
export { localResponseNorm, type LocalResponseNormOptions } from './local-response-norm';
export * from './masked';
export { linear, matmul } from './matmul';
export { classNumbers, oneHot } from './one-hot';
export type { KeptPadding, Padding, Sides } from './padding';
export { avgPool2d, globalAvgPool2d, globalMaxPool2d, maxPool2d } from './pool2d';
export type { AvgPool2dOptions, MaxPool2dOptions } from './pool2d';
export { argmax, max, mean, sum, sumSquares, type ReduceOptions } from './reduce';
export { CROP_COLUMNS, resampleImages, viewCrops } from './resample-images';
export type { ResampleOptions, ViewCropsOptions } from './resample-images';
export { broadcastTo, concat, flatten, pad, permute, reshape, slice, sumTo, transpose } from './shape-ops';
export * from './softmax';
export * from './softplus';
export * from './statistics';
export * from './unary';
export { accumulate, finiteGuard, runningMean, type Updated, type UpdateOperands } from './update';
