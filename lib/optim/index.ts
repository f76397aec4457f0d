/** Optimizers: `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
export { Optimizer } from './optimizer';
export type { LoadedOptimizerState, OptimizerState, UpdateOptions } from './optimizer';
export type { OptimizerOptions } from './common';
export { layerwiseDecay, type LayerwiseDecayOptions } from './layerwise';
export { decays, noDecay, type ParameterGroup, type ParameterMatch } from './groups';
export {
  ema,
  Ema,
  swa,
  Swa,
  WeightAverage,
  type AverageState,
  type EmaOptions,
  type LoadedAverageState,
  type SwaOptions,
} from './average';
export * from './makers';
export { optimizers, type OptimizerName } from './registry';
export type { Maker, Preset } from './declare';
