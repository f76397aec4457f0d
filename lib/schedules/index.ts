/** Learning-rate schedules: pure functions of progress, giving the factor of the optimizer's own rate. */
import { OptionError } from '../errors';
import { checkKeys, nonNegative, nonNegativeInteger, positiveInteger, show } from '../options';

/** How far training is, before a step is taken. */
export interface Progress {
  /** Steps taken so far. */
  readonly step: number;
  /** Epochs finished so far. */
  readonly epoch: number;
  /** Steps of the whole training. */
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

/** Factor of the learning rate for the step that comes next. */
export type Schedule = (progress: Progress) => number;

/** Always 1. */
export function constant(): Schedule {
  return () => 1;
}

export interface StepOptions {
  /** Epochs between decays. */
  readonly size: number;
  /** Factor of each decay. Default 0.1. */
  readonly gamma?: number;
}

/** gamma^floor(epoch / size), as PyTorch's StepLR. @throws OptionError */
export function step(options: StepOptions): Schedule {
  checkKeys('schedules.step', options, ['size', 'gamma']);
  const size = positiveInteger('schedules.step', 'size', options?.size);
  const gamma = nonNegative('schedules.step', 'gamma', options.gamma ?? 0.1);
  return ({ epoch }) => gamma ** Math.floor(epoch / size);
}

export interface MultiStepOptions {
  /** Epochs at which to decay, ascending. */
  readonly milestones: readonly number[];
  /** Factor of each decay. Default 0.1. */
  readonly gamma?: number;
}

/** gamma^(how many milestones are behind), as PyTorch's MultiStepLR. @throws OptionError */
export function multiStep(options: MultiStepOptions): Schedule {
  const where = 'schedules.multiStep';
  checkKeys(where, options, ['milestones', 'gamma']);
  const given: unknown = options?.milestones;
  if (!Array.isArray(given))
    throw new OptionError(`${where}: milestones must be an array of epochs, got ${show(given)}`);
  const milestones = given.map((m) => nonNegativeInteger(where, 'each milestone', m));
  if (milestones.some((m, i) => i > 0 && m <= milestones[i - 1]!)) {
    throw new OptionError(`${where}: milestones must ascend, got ${show(given)}`);
  }
  const gamma = nonNegative(where, 'gamma', options.gamma ?? 0.1);
  return ({ epoch }) => gamma ** milestones.filter((m) => epoch >= m).length;
}

export interface CosineOptions {
  /** Factor at the end. Default 0. */
  readonly min?: number;
}

/** From 1 to `min` along half a cosine over all steps (Loshchilov & Hutter 2017, without restarts). @throws OptionError */
export function cosine(options: CosineOptions = {}): Schedule {
  checkKeys('schedules.cosine', options, ['min']);
  const min = nonNegative('schedules.cosine', 'min', options.min ?? 0);
  return ({ step: at, totalSteps }) => {
    const share = totalSteps > 0 ? Math.min(1, at / totalSteps) : 0;
    return min + ((1 - min) * (1 + Math.cos(Math.PI * share))) / 2;
  };
}

/**
 * Rises from 1/n to 1 over the first `n` steps, then follows `inner`, whose progress begins where the warm-up ended
 * (Goyal et al. 2017). @throws OptionError
 */
export function warmup(n: number, inner: Schedule = constant()): Schedule {
  const steps = nonNegativeInteger('schedules.warmup', 'steps', n);
  if (typeof inner !== 'function')
    throw new OptionError(`schedules.warmup: the inner schedule must be a schedule, got ${show(inner)}`);
  return (progress) => {
    const rest = {
      ...progress,
      step: Math.max(0, progress.step - steps),
      totalSteps: Math.max(0, progress.totalSteps - steps),
    };
    const rise = steps === 0 ? 1 : Math.min(1, (progress.step + 1) / steps);
    return rise * inner(rest);
  };
}
