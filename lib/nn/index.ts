/** Layers and what models are made of: `nn.sequential(nn.conv2d(1, 32, { kernel: 3 }), nn.relu())`. */
export { adaptiveAvgPool2d, AdaptiveAvgPool2d, adaptiveMaxPool2d } from './layers/adaptive-pooling';
export { AdaptiveMaxPool2d, globalMaxPool2d, GlobalMaxPool2d } from './layers/adaptive-pooling';
export {
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
} from './layers/activations';
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
} from './layers/activations';
export { Activation, ELU, GELU, HardTanh, LeakyReLU, LogSoftmax, PReLU, Softmax } from './layers/activations';
export type { HardTanhOptions, PReLUOptions, SoftmaxOptions } from './layers/activations';
export {
  batchNorm1d,
  BatchNorm1d,
  batchNorm2d,
  BatchNorm2d,
  type BatchNormOptions,
} from './layers/batch-norm';
export { buffer, StateBuffer } from './buffer';
export { concat, Concat } from './layers/concat';
export { flatten, Flatten } from './layers/flatten';
export { identity, Identity } from './layers/identity';
export { namedSequential, NamedSequential } from './layers/named-sequential';
export { residual, Residual } from './layers/residual';
export { sequential, Sequential } from './layers/sequential';
export { conv2d, Conv2d, type Conv2dLayerOptions } from './layers/conv2d';
export { depthwiseConv2d, type DepthwiseConv2dOptions } from './layers/conv2d';
export { conv1d, Conv1d, type Conv1dLayerOptions } from './layers/conv1d';
export { convTranspose1d, ConvTranspose1d, type ConvTranspose1dLayerOptions } from './layers/conv-transpose';
export { convTranspose2d, ConvTranspose2d, type ConvTranspose2dLayerOptions } from './layers/conv-transpose';
export { dropout, Dropout, dropout2d, Dropout2d } from './layers/dropout';
export { fixupBlock, FixupBlock, type FixupBlockOptions } from './blocks/fixup-block';
export { fractionalMaxPool2d, FractionalMaxPool2d } from './layers/fractional-pooling';
export { groupNorm, GroupNorm, type GroupNormOptions } from './layers/group-norm';
export {
  instanceNorm1d,
  InstanceNorm1d,
  instanceNorm2d,
  InstanceNorm2d,
  type InstanceNormOptions,
} from './layers/instance-norm';
export { layerNorm, LayerNorm, type LayerNormOptions } from './layers/layer-norm';
export * as init from './init';
export { parameter } from './parameter';
export { linear, Linear, type LinearOptions } from './layers/linear';
export { load } from './files/load';
export { Module, type InitializeOptions } from './module';
export type { Preprocessing } from '../data/preprocessing';
export type { Json } from './files/architecture';
export type { LoadOptions, ModelSource } from './files/model-file';
export {
  avgPool2d,
  AvgPool2d,
  globalAvgPool2d,
  GlobalAvgPool2d,
  maxPool2d,
  MaxPool2d,
} from './layers/pooling';
export type { PredictOptions } from './predict';
export { basicBlock, BasicBlock, type BasicBlockOptions } from './blocks/basic-block';
export { bottleneck, Bottleneck } from './blocks/bottleneck';
export { cifarBlock, CifarBlock, type CifarBlockOptions } from './blocks/cifar-block';
export { padShortcut, PadShortcut } from './blocks/pad-shortcut';
export { residualBlock, ResidualBlock } from './blocks/residual-block';
export type { ResidualBlockOptions } from './blocks/parts';
export {
  activationStatistics,
  type ActivationStatistics,
  type ActivationStatisticsOptions,
  type Distribution,
  type Histogram,
  type LayerStatistics,
} from './inspect/statistics';
export type { Summary, SummaryOptions, SummaryRow } from './inspect/summary';
export type { Channels, PassThrough } from './typing';
