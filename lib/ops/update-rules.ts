/** One step of each optimizer, as ops: scalars and flags of its kernel by name. Formulas: lib/optim. */
import { splitsProduct, updateRule, type FlagsOf, type ScalarsOf, type UpdateOperands } from './update';

const ofMomentum = ['lr', 'momentum', 'dampening', 'weightDecay', 'step'] as const;
const momentumFlags = ['nesterov', 'momentum', 'steps', 'decoupled'] as const;
const rootFlags = ['decoupled', 'epsInside'] as const;
const ofAdam = ['beta1', 'beta2', 'eps', 'weightDecay', 'step'] as const;
const hasVelocity = ({ states }: UpdateOperands): { momentum: boolean } => ({ momentum: states.length > 0 });

/**
 * SGD with momentum (state: velocity, or none), Nesterov and weight decay. The first step copies the gradient
 * into the momentum, as PyTorch does. With `steps` the velocity holds -lr g instead of gradients; with
 * `decoupled` decay shrinks the weight by 1 - lr weightDecay.
 */
export const sgdUpdate = updateRule('sgd', ofMomentum, momentumFlags, hasVelocity, {
  splits: splitsProduct,
});

/** AdaGrad (state: sum of squares). With `epsInside` eps is added inside the root: sqrt(v + eps). */
export const adagradUpdate = updateRule('adagrad', ['lr', 'eps', 'weightDecay'], rootFlags);

/** RMSProp (states: mean square; the mean where centred; the velocity with momentum). */
export const rmspropUpdate = updateRule(
  'rmsprop',
  ['lr', 'alpha', 'eps', 'momentum', 'weightDecay'],
  [...rootFlags, 'centred', 'momentum'],
);

/** Adam and AdamW (states: both moments, and the largest second one for AMSGrad). */
export const adamUpdate = updateRule('adam', ['lr', ...ofAdam], [...rootFlags, 'uncorrected', 'amsgrad']);

/** NAdam (states: both moments). The shares of gradient and first moment are factors of lr. */
export const nadamUpdate = updateRule('nadam', ['lr', 'gradientShare', 'momentShare', ...ofAdam], rootFlags);

/** LARS (state: velocity, or none). Where `adapt` is 0 the ratio is 1. */
export const larsUpdate = updateRule(
  'lars',
  [...ofMomentum, 'trust', 'eps', 'adapt'],
  ['nesterov', 'momentum', 'steps'],
  hasVelocity,
);

/** LAMB (states: both moments). Where `adapt` is 0 the ratio is 1. */
export const lambUpdate = updateRule('lamb', ['lr', ...ofAdam, 'adapt'], ['uncorrected']);

export type RuleScalars = Pick<SgdScalars, 'lr' | 'weightDecay' | 'step'>;
export type DecayFlags = Pick<SgdFlags, 'decoupled'>;
export type RootFlags = FlagsOf<typeof adagradUpdate>;
export type SgdScalars = ScalarsOf<typeof sgdUpdate>;
export type SgdFlags = FlagsOf<typeof sgdUpdate>;
export type AdagradScalars = ScalarsOf<typeof adagradUpdate>;
export type RmspropScalars = ScalarsOf<typeof rmspropUpdate>;
export type RmspropFlags = FlagsOf<typeof rmspropUpdate>;
export type AdamScalars = ScalarsOf<typeof adamUpdate>;
export type AdamFlags = FlagsOf<typeof adamUpdate>;
export type NadamScalars = ScalarsOf<typeof nadamUpdate>;
export type LarsScalars = ScalarsOf<typeof larsUpdate>;
export type LambScalars = ScalarsOf<typeof lambUpdate>;
