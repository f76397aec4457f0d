/** One step of each optimizer, as ops: scalars and flags of its kernel by name. The formulas are in lib/optim. */
import { checkList, checkObject } from '../options';
import type { Tensor } from '../tensor/tensor';
import { applyUpdate, updateOp, type UpdateOperands, type Updated } from './update';

/** Runtime scalars that every rule has: f64, rank 0. `step` counts from 1. */
export interface RuleScalars {
  readonly lr: Tensor;
  readonly weightDecay: Tensor;
  readonly step: Tensor;
}

/** Where a rule leaves a choice. All default to false. */
export interface DecayFlags {
  /** Decay shrinks the weight by 1 - lr weightDecay instead of being added to the gradient. */
  readonly decoupled?: boolean;
}

/** Flags of the rules that divide by the root of squares. */
export interface RootFlags extends DecayFlags {
  /** eps is added inside the root: sqrt(v + eps). */
  readonly epsInside?: boolean;
}

/** Scalars of SGD. The first step copies the gradient into the momentum, as PyTorch does. */
export interface SgdScalars extends RuleScalars {
  readonly momentum: Tensor;
  readonly dampening: Tensor;
}

export interface SgdFlags extends DecayFlags {
  readonly nesterov?: boolean;
  /** The velocity holds steps, -lr g, instead of gradients. */
  readonly steps?: boolean;
}

const flags = (...values: (boolean | undefined)[]): number[] => values.map((value) => Number(value ?? false));

/** @throws OptionError unless all three are objects; what is in them is checked by the op */
function checkRule(where: string, scalars: unknown, operands: UpdateOperands, chosen: unknown): void {
  checkObject(where, 'scalars', scalars);
  checkObject(where, 'operands', operands);
  checkList(where, 'states', operands.states);
  checkObject(where, 'flags', chosen);
}

const sgdOp = updateOp('sgd');
const adagradOp = updateOp('adagrad');
const rmspropOp = updateOp('rmsprop');
const adamOp = updateOp('adam');
const nadamOp = updateOp('nadam');
const larsOp = updateOp('lars');
const lambOp = updateOp('lamb');

/** SGD with momentum (state: velocity, or none), Nesterov and weight decay. */
export function sgdUpdate(s: SgdScalars, operands: UpdateOperands, f: SgdFlags = {}): Updated {
  checkRule('sgd', s, operands, f);
  return applyUpdate(
    sgdOp,
    [s.lr, s.momentum, s.dampening, s.weightDecay, s.step],
    flags(f.nesterov, operands.states.length > 0, f.steps, f.decoupled),
    operands,
  );
}

export interface AdagradScalars extends Omit<RuleScalars, 'step'> {
  readonly eps: Tensor;
}

/** AdaGrad (state: sum of squares). */
export function adagradUpdate(s: AdagradScalars, operands: UpdateOperands, f: RootFlags = {}): Updated {
  checkRule('adagrad', s, operands, f);
  return applyUpdate(adagradOp, [s.lr, s.eps, s.weightDecay], flags(f.decoupled, f.epsInside), operands);
}

export interface RmspropScalars extends Omit<RuleScalars, 'step'> {
  readonly alpha: Tensor;
  readonly eps: Tensor;
  readonly momentum: Tensor;
}

export interface RmspropFlags extends RootFlags {
  readonly centred?: boolean;
  readonly momentum?: boolean;
}

/** RMSProp (states: mean square; the mean where centred; the velocity with momentum). */
export function rmspropUpdate(s: RmspropScalars, operands: UpdateOperands, f: RmspropFlags = {}): Updated {
  checkRule('rmsprop', s, operands, f);
  return applyUpdate(
    rmspropOp,
    [s.lr, s.alpha, s.eps, s.momentum, s.weightDecay],
    flags(f.decoupled, f.epsInside, f.centred, f.momentum),
    operands,
  );
}

export interface AdamScalars extends RuleScalars {
  readonly beta1: Tensor;
  readonly beta2: Tensor;
  readonly eps: Tensor;
}

export interface AdamFlags extends RootFlags {
  /** Without the correction for moments that begin at zero. */
  readonly uncorrected?: boolean;
  /** Divides by the largest second moment so far: a third state. */
  readonly amsgrad?: boolean;
}

/** Adam and AdamW (states: first and second moment, and the largest second one for AMSGrad). */
export function adamUpdate(s: AdamScalars, operands: UpdateOperands, f: AdamFlags = {}): Updated {
  checkRule('adam', s, operands, f);
  return applyUpdate(
    adamOp,
    [s.lr, s.beta1, s.beta2, s.eps, s.weightDecay, s.step],
    flags(f.decoupled, f.epsInside, f.uncorrected, f.amsgrad),
    operands,
  );
}

export interface NadamScalars extends AdamScalars {
  /** What the update takes of the gradient and of the first moment, each a factor of lr. */
  readonly gradientShare: Tensor;
  readonly momentShare: Tensor;
}

/** NAdam (states: first and second moment). */
export function nadamUpdate(s: NadamScalars, operands: UpdateOperands, f: RootFlags = {}): Updated {
  checkRule('nadam', s, operands, f);
  return applyUpdate(
    nadamOp,
    [s.lr, s.gradientShare, s.momentShare, s.beta1, s.beta2, s.eps, s.weightDecay, s.step],
    flags(f.decoupled, f.epsInside),
    operands,
  );
}

export interface LarsScalars extends SgdScalars {
  readonly trust: Tensor;
  readonly eps: Tensor;
  /** 0: the ratio is 1. */
  readonly adapt: Tensor;
}

/** LARS (state: velocity, or none). */
export function larsUpdate(
  s: LarsScalars,
  operands: UpdateOperands,
  f: Omit<SgdFlags, 'decoupled'> = {},
): Updated {
  checkRule('lars', s, operands, f);
  return applyUpdate(
    larsOp,
    [s.lr, s.momentum, s.dampening, s.weightDecay, s.step, s.trust, s.eps, s.adapt],
    flags(f.nesterov, operands.states.length > 0, f.steps),
    operands,
  );
}

export interface LambScalars extends AdamScalars {
  /** 0: the ratio is 1. */
  readonly adapt: Tensor;
}

/** LAMB (states: first and second moment). */
export function lambUpdate(
  s: LambScalars,
  operands: UpdateOperands,
  f: Pick<AdamFlags, 'uncorrected'> = {},
): Updated {
  checkRule('lamb', s, operands, f);
  return applyUpdate(
    lambOp,
    [s.lr, s.beta1, s.beta2, s.eps, s.weightDecay, s.step, s.adapt],
    flags(f.uncorrected),
    operands,
  );
}
