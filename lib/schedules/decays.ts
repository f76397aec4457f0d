/** Rates that fall. Those with a length stay at their last value once it is over. */
import { OptionError } from '../errors';
import {
  checkKeys,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positive,
  positiveInteger,
  show,
} from '../options';
import { elapsed, lengthOf, PER, type Per, type Progress, type Schedule } from './schedule';

/** Always 1. */
export function constant(): Schedule {
  return () => 1;
}

export interface StepOptions {
  /** Epochs (or steps) between decays. */
  readonly size: number;
  /** Factor of each decay. Default 0.1. */
  readonly gamma?: number;
  /** Default 'epoch'. */
  readonly per?: Per;
}

/** gamma^floor(t / size), as PyTorch's StepLR. @throws OptionError */
export function step(options: StepOptions): Schedule {
  const where = 'schedules.step';
  checkKeys(where, options, ['size', 'gamma', 'per']);
  const size = positiveInteger(where, 'size', options?.size);
  const gamma = nonNegative(where, 'gamma', options.gamma ?? 0.1);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  return (progress) => gamma ** Math.floor(elapsed(progress, per) / size);
}

export interface MultiStepOptions {
  /** Epochs (or steps) at which to decay, ascending. */
  readonly milestones: readonly number[];
  /** Factor of each decay. Default 0.1. */
  readonly gamma?: number;
  /** Default 'epoch'. */
  readonly per?: Per;
}

/** gamma^(how many milestones are behind), as PyTorch's MultiStepLR. @throws OptionError */
export function multiStep(options: MultiStepOptions): Schedule {
  const where = 'schedules.multiStep';
  checkKeys(where, options, ['milestones', 'gamma', 'per']);
  const given: unknown = options?.milestones;
  if (!Array.isArray(given))
    throw new OptionError(`${where}: milestones must be an array of epochs, got ${show(given)}`);
  const milestones = given.map((m) => nonNegativeInteger(where, 'each milestone', m));
  if (milestones.some((m, i) => i > 0 && m <= milestones[i - 1]!)) {
    throw new OptionError(`${where}: milestones must ascend, got ${show(given)}`);
  }
  const gamma = nonNegative(where, 'gamma', options.gamma ?? 0.1);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  return (progress) => gamma ** milestones.filter((m) => elapsed(progress, per) >= m).length;
}

export interface ExponentialOptions {
  /** The k of e^(-k t), at least 0. Pass either this or gamma. */
  readonly k?: number;
  /** The gamma of gamma^t, as in PyTorch's ExponentialLR. */
  readonly gamma?: number;
  /** Default 'epoch'. */
  readonly per?: Per;
}

/** e^(-k t), or gamma^t. @throws OptionError */
export function exponential(options: ExponentialOptions): Schedule {
  const where = 'schedules.exponential';
  checkKeys(where, options, ['k', 'gamma', 'per']);
  if ((options?.k === undefined) === (options?.gamma === undefined))
    throw new OptionError(`${where}: give either k or gamma`);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  if (options.gamma !== undefined) {
    const gamma = nonNegative(where, 'gamma', options.gamma);
    return (progress) => gamma ** elapsed(progress, per);
  }
  const k = nonNegative(where, 'k', options.k);
  return (progress) => Math.exp(-k * elapsed(progress, per));
}

export interface InverseOptions {
  /** At least 0. */
  readonly k: number;
  /** Default 'epoch'. */
  readonly per?: Per;
}

/** 1 / (1 + k t). @throws OptionError */
export function inverse(options: InverseOptions): Schedule {
  const where = 'schedules.inverse';
  checkKeys(where, options, ['k', 'per']);
  const k = nonNegative(where, 'k', options?.k);
  const per = oneOf(where, 'per', options.per ?? 'epoch', PER);
  return (progress) => 1 / (1 + k * elapsed(progress, per));
}

export interface InverseSqrtOptions {
  /**
   * t of the first step, above 0; the factor is 1 there. Behind a warm-up of n steps, n continues it as
   * Vaswani et al. 2017 have it. Default 1.
   */
  readonly from?: number;
  /** Default 'step'. */
  readonly per?: Per;
}

/** sqrt(from / t) with t counted from `from`: 1 / sqrt(t) from t = 1 on. @throws OptionError */
export function inverseSqrt(options: InverseSqrtOptions = {}): Schedule {
  const where = 'schedules.inverseSqrt';
  checkKeys(where, options, ['from', 'per']);
  const from = positive(where, 'from', options.from ?? 1);
  const per = oneOf(where, 'per', options.per ?? 'step', PER);
  return (progress) => Math.sqrt(from / (from + elapsed(progress, per)));
}

/** Options of the schedules that end. */
export interface EndingOptions {
  /** Factor at the end. Default 0. */
  readonly min?: number;
  /** Steps (or epochs) until the end. Default: the whole training. */
  readonly length?: number;
  /** Default 'step'. */
  readonly per?: Per;
}

const endingKeys = ['min', 'length', 'per'] as const;

/** From 1 to min, by `shape` of the share of the time that is left, which goes from 1 to 0. */
function ending(where: string, options: EndingOptions, shape: (left: number) => number): Schedule {
  const min = nonNegative(where, 'min', options.min ?? 0);
  const per = oneOf(where, 'per', options.per ?? 'step', PER);
  const given = options.length === undefined ? undefined : positive(where, 'length', options.length);
  return (progress: Progress) => {
    const length = given ?? lengthOf(where, progress, per);
    const share = length > 0 ? Math.min(1, elapsed(progress, per) / length) : 0;
    return min + (1 - min) * shape(1 - share);
  };
}

export type CosineOptions = EndingOptions;

/**
 * From 1 to `min` along half a cosine (Loshchilov & Hutter 2017, without restarts): PyTorch's
 * CosineAnnealingLR. @throws OptionError
 */
export function cosine(options: CosineOptions = {}): Schedule {
  checkKeys('schedules.cosine', options, endingKeys);
  return ending('schedules.cosine', options, (left) => (1 - Math.cos(Math.PI * left)) / 2);
}

/** From 1 to `min` along a line: 1 - t / T. @throws OptionError */
export function linear(options: EndingOptions = {}): Schedule {
  checkKeys('schedules.linear', options, endingKeys);
  return ending('schedules.linear', options, (left) => left);
}

export interface PolynomialOptions extends EndingOptions {
  /** Default 2. */
  readonly power?: number;
}

/** From 1 to `min` by (1 - t / T)^power: PyTorch's PolynomialLR. @throws OptionError */
export function polynomial(options: PolynomialOptions = {}): Schedule {
  const where = 'schedules.polynomial';
  checkKeys(where, options, ['power', ...endingKeys]);
  const power = positive(where, 'power', options.power ?? 2);
  return ending(where, options, (left) => left ** power);
}
