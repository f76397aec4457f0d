/** Optimizers: `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
export { Optimizer } from './optimizer';
export type {
  LoadedOptimizerState,
  OptimizerOptions,
  OptimizerState,
  ParameterGroup,
  ParameterMatch,
} from './optimizer';
export { sgd, Sgd, type SgdOptions } from './sgd';
export { adam, adamw, Adam, type AdamOptions } from './adam';
