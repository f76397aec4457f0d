/**
 * One step of each optimizer, as ops: scalars and flags of its kernel by name. The formulas are in lib/optim.
 */
import { splitsProduct, updateRule, type FlagsOf, type ScalarsOf, type UpdateOperands } from './update';

const momentumScalars = ['lr', 'momentum', 'dampening', 'weightDecay', 'step'] as const;
const momentumFlags = ['nesterov', 'momentum', 'steps', 'decoupled'] as const;
const rootFlags = ['decoupled', 'epsInside'] as const;
const adamScalars = ['beta1', 'beta2', 'eps', 'weightDecay', 'step'] as const;
const hasVelocity = ({ states }: UpdateOperands): { momentum: boolean } => ({ momentum: states.length > 0 });

/**
 * SGD with momentum (state: velocity, or none), Nesterov and weight decay. The first step copies the gradient
 * into the momentum, as PyTorch does. With `steps` the velocity holds -lr g instead of gradients; with
 * `decoupled` decay shrinks the weight by 1 - lr weightDecay.
 */
export const sgdUpdate = updateRule('sgd', momentumScalars, momentumFlags, hasVelocity, {
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

/**
 * Adam and AdamW (states: first and second moment, and the largest second one for AMSGrad). `uncorrected`:
 * without the bias correction.
 */
export const adamUpdate = updateRule(
  'adam',
  ['lr', ...adamScalars],
  [...rootFlags, 'uncorrected', 'amsgrad'],
);

/**
 * NAdam (states: first and second moment). The shares are what the update takes of the gradient and of the
 * first moment, as factors of lr.
 */
export const nadamUpdate = updateRule(
  'nadam',
  ['lr', 'gradientShare', 'momentShare', ...adamScalars],
  rootFlags,
);

/** LARS (state: velocity, or none). Where `adapt` is 0 the ratio is 1. */
export const larsUpdate = updateRule(
  'lars',
  [...momentumScalars, 'trust', 'eps', 'adapt'],
  ['nesterov', 'momentum', 'steps'],
  hasVelocity,
);

/** LAMB (states: first and second moment). Where `adapt` is 0 the ratio is 1. */
export const lambUpdate = updateRule('lamb', ['lr', ...adamScalars, 'adapt'], ['uncorrected']);

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
