/** Optimizers: `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
export { Optimizer } from './optimizer';
export type { LoadedOptimizerState, OptimizerOptions, OptimizerState, UpdateOptions } from './optimizer';
export { noDecay, type ParameterGroup, type ParameterMatch } from './groups';
export { sgd, Sgd, type MomentumOptions, type SgdNumbers, type SgdOptions } from './sgd';
export { adagrad, Adagrad, type AdagradNumbers, type AdagradOptions } from './adagrad';
export { rmsprop, Rmsprop, type RmspropNumbers, type RmspropOptions } from './rmsprop';
export { adam, adamw, Adam, type AdamNumbers, type AdamOptions } from './adam';
export { nadam, Nadam, type NadamNumbers, type NadamOptions } from './nadam';
export { lars, Lars, type LarsNumbers, type LarsOptions } from './lars';
export { lamb, Lamb, type LambNumbers, type LambOptions } from './lamb';
