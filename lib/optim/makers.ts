/** Every optimizer: one line makes it public, and `tenon train --optimizer` takes it. */
export { sgd, Sgd, type MomentumOptions, type SgdNumbers, type SgdOptions } from './sgd';
export { adagrad, Adagrad, type AdagradNumbers, type AdagradOptions } from './adagrad';
export { rmsprop, Rmsprop, type RmspropNumbers, type RmspropOptions } from './rmsprop';
export { adam, adamw, Adam, type AdamNumbers, type AdamOptions, type AdamwOptions } from './adam';
export { nadam, Nadam, type NadamNumbers, type NadamOptions } from './nadam';
export { lars, Lars, type LarsNumbers, type LarsOptions } from './lars';
export { lamb, Lamb, type LambNumbers, type LambOptions } from './lamb';
export { lion, Lion, type LionNumbers, type LionOptions } from './lion';
