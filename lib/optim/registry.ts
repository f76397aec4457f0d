/** The optimizers by name, for programs in which a user chooses one. */
import * as makers from './makers';

type Makers = typeof makers;

/** Names of the functions that make optimizers: `sgd`, `adam`, ... */
export type OptimizerName = {
  [K in keyof Makers]: Makers[K] extends { readonly settings: unknown } ? K : never;
}[keyof Makers];

/** What makes each optimizer, with the declaration of its options, in the order of lib/optim/makers.ts. */
export const optimizers = Object.fromEntries(
  Object.entries(makers).filter(([, value]) => 'settings' in value),
) as { readonly [K in OptimizerName]: Makers[K] };
