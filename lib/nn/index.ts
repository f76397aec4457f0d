/** Layers and what models are made of: `nn.sequential(nn.conv2d(1, 32, { kernel: 3 }), nn.relu())`. */
export { adaptiveAvgPool2d, AdaptiveAvgPool2d, adaptiveMaxPool2d } from './adaptive-pooling';
export { AdaptiveMaxPool2d, globalMaxPool2d, GlobalMaxPool2d } from './adaptive-pooling';
export {
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
} from './activations';
export {
  mish,
  prelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softplus,
  softsign,
  tanh,
} from './activations';
export { Activation, ELU, GELU, HardTanh, LeakyReLU, LogSoftmax, PReLU, Softmax } from './activations';
export type { HardTanhOptions, PReLUOptions, SoftmaxOptions } from './activations';
export { batchNorm1d, BatchNorm1d, batchNorm2d, BatchNorm2d, type BatchNormOptions } from './batch-norm';
export { buffer, StateBuffer } from './buffer';
export { concat, Concat, flatten, Flatten, identity, Identity } from './containers';
export { namedSequential, NamedSequential, residual, Residual } from './containers';
export { sequential, Sequential } from './containers';
export { conv2d, Conv2d, type Conv2dLayerOptions } from './conv';
export { depthwiseConv2d, type DepthwiseConv2dOptions } from './conv';
export { conv1d, Conv1d, type Conv1dLayerOptions } from './conv1d';
export { convTranspose1d, ConvTranspose1d, type ConvTranspose1dLayerOptions } from './conv-transpose';
export { convTranspose2d, ConvTranspose2d, type ConvTranspose2dLayerOptions } from './conv-transpose';
export { dropout, Dropout, dropout2d, Dropout2d } from './dropout';
export { fixupBlock, FixupBlock, type FixupBlockOptions } from './fixup';
export { fractionalMaxPool2d, FractionalMaxPool2d } from './fractional-pooling';
export {
  groupNorm,
  GroupNorm,
  type GroupNormOptions,
  instanceNorm1d,
  InstanceNorm1d,
  instanceNorm2d,
  InstanceNorm2d,
  type InstanceNormOptions,
  layerNorm,
  LayerNorm,
  type LayerNormOptions,
} from './group-norm';
export * as init from './initialization';
export { parameter } from './init';
export { linear, Linear, type LinearOptions } from './linear';
export { load } from './load';
export { Module, type InitializeOptions } from './module';
export type { Preprocessing } from '../data/preprocessing';
export type { Json } from './architecture';
export type { LoadOptions, ModelSource } from './model-file';
export { avgPool2d, AvgPool2d, globalAvgPool2d, GlobalAvgPool2d, maxPool2d, MaxPool2d } from './pooling';
export type { PredictOptions } from './predict';
export { basicBlock, BasicBlock, type BasicBlockOptions } from './residual';
export { bottleneck, Bottleneck, cifarBlock, CifarBlock, type CifarBlockOptions } from './resnet-blocks';
export { padShortcut, PadShortcut, residualBlock, ResidualBlock } from './resnet-blocks';
export type { ResidualBlockOptions } from './resnet-blocks';
export {
  activationStatistics,
  type ActivationStatistics,
  type ActivationStatisticsOptions,
  type Distribution,
  type Histogram,
  type LayerStatistics,
} from './statistics';
export type { Summary, SummaryOptions, SummaryRow } from './summary';
export type { Channels, PassThrough } from './typing';
