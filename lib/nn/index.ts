/** Layers and what models are made of: `nn.sequential(nn.conv2d(1, 32, { kernel: 3 }), nn.relu())`. */
export * from './blocks';
export { buffer, StateBuffer } from './buffer';
export * as init from './init';
export { parameter } from './parameter';
export * from './layers';
export { layerGroups } from './layer-groups';
export { load } from './files/load';
export { Module } from './module';
export type { InitializeOptions } from './init/draw';
export type { NamePattern } from '../tensor/name-pattern';
export type { Preprocessing } from '../data/preprocessing';
export type { Json } from './files/architecture';
export type { LoadReport } from './files/load-report';
export type { LoadOptions, ModelSource } from './files/model-file';
export type { NameMap } from './files/renamed';
export { extractFeatures, type ExtractFeaturesOptions } from './extract-features';
export { features, type Staged } from './features';
export type { PredictInputs, PredictOptions } from './predict';
export type { FeaturesOptions } from './predict-features';
export type { SamplingOptions } from './sampling';
export {
  activationStatistics,
  type ActivationStatistics,
  type ActivationStatisticsOptions,
  type Distribution,
  type Histogram,
  type LayerStatistics,
} from './inspect/statistics';
export type { Summary, SummaryOptions, SummaryRow } from './inspect/summary';
export type { Chain, ChainIn, ChainOut, Channels, PassThrough } from './typing';
