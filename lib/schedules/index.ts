/**
 * Learning-rate schedules: pure functions of progress that return the factor of the optimizer's own rate.
 * They can be combined freely. In their formulas t is the time so far, in whole epochs or in steps, as
 * `per` says, and T the length of the training.
 */
export { scheduledFactor } from './schedule';
export type { EpochMetrics, Per, Progress, Schedule } from './schedule';
export {
  constant,
  cosine,
  exponential,
  inverse,
  inverseSqrt,
  linear,
  multiStep,
  polynomial,
  step,
} from './decays';
export type {
  CosineOptions,
  EndingOptions,
  ExponentialOptions,
  InverseOptions,
  InverseSqrtOptions,
  MultiStepOptions,
  PolynomialOptions,
  StepOptions,
} from './decays';
export { oneCycle, rangeTest, warmRestarts } from './cycles';
export type { OneCycleOptions, RangeTestOptions, WarmRestartsOptions } from './cycles';
export { linearScaling, scaled, sequence, warmup } from './compose';
export type { LinearScalingOptions, SequenceOptions, SequencePart, WarmupOptions } from './compose';
export { reduceOnPlateau, type PlateauOptions } from './plateau';
export { curve, type CurveOptions, type CurvePoint } from './curve';
