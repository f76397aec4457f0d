/** Rates that fall. Those with a length stay at their last value once it is over. */
import { OptionError } from '../errors';
import { nonNegativeInteger as checkCount, show } from '../options';
import {
  declareSettings,
  kind,
  nonNegative,
  positive,
  positiveInteger,
  type OptionsOf,
  type ValuesOf,
} from '../settings';
import { elapsed, lengthOf, perUnit, type Progress, type Schedule } from './schedule';

/** Always 1: the optimizer's own rate. */
export function constant(): Schedule {
  return () => 1;
}

const stepSettings = declareSettings({
  size: positiveInteger('Epochs (or steps) between decays.'),
  gamma: nonNegative('Factor of each decay.', { default: 0.1 }),
  per: perUnit('Whether t counts epochs or steps.', { default: 'epoch' }),
});

export type StepOptions = OptionsOf<typeof stepSettings>;

/**
 * gamma^floor(t / size), t in epochs or steps, as PyTorch's StepLR.
 * `schedules.step({ size: 30 })` divides the rate by 10 every 30 epochs.
 * @throws OptionError
 */
export function step(options: StepOptions): Schedule {
  const { size, gamma, per } = stepSettings.read('schedules.step', options);
  return (progress) => gamma ** Math.floor(elapsed(progress, per) / size);
}

const ascending = kind<number[], readonly number[]>({
  check: (where, name, value) => {
    if (!Array.isArray(value))
      throw new OptionError(`${where}: ${name} must be an array of epochs, got ${show(value)}`);
    const milestones = value.map((m) => checkCount(where, 'each milestone', m));
    if (milestones.some((m, i) => i > 0 && m <= milestones[i - 1]!))
      throw new OptionError(`${where}: ${name} must ascend, got ${show(value)}`);
    return milestones;
  },
  domain: { type: 'list', of: { type: 'integer', minimum: 0 } },
});

const multiStepSettings = declareSettings({
  milestones: ascending('Epochs (or steps) at which to decay, ascending.'),
  gamma: nonNegative('Factor of each decay.', { default: 0.1 }),
  per: perUnit('Whether t counts epochs or steps.', { default: 'epoch' }),
});

export type MultiStepOptions = OptionsOf<typeof multiStepSettings>;

/**
 * gamma^(how many milestones are behind), in epochs or steps, as PyTorch's MultiStepLR.
 * @throws OptionError
 */
export function multiStep(options: MultiStepOptions): Schedule {
  const { milestones, gamma, per } = multiStepSettings.read('schedules.multiStep', options);
  return (progress) => gamma ** milestones.filter((m) => elapsed(progress, per) >= m).length;
}

const exponentialSettings = declareSettings({
  k: nonNegative('The k of e^(-k t), at least 0. Pass either this or gamma.', { optional: true }),
  gamma: nonNegative("The gamma of gamma^t, as in PyTorch's ExponentialLR.", { optional: true }),
  per: perUnit('Whether t counts epochs or steps.', { default: 'epoch' }),
});

export type ExponentialOptions = OptionsOf<typeof exponentialSettings>;

/** e^(-k t), or gamma^t as PyTorch's ExponentialLR, t in epochs or steps. @throws OptionError */
export function exponential(options: ExponentialOptions): Schedule {
  const where = 'schedules.exponential';
  const { k, gamma, per } = exponentialSettings.read(where, options);
  if (gamma !== undefined && k === undefined) return (progress) => gamma ** elapsed(progress, per);
  if (k === undefined || gamma !== undefined) throw new OptionError(`${where}: give either k or gamma`);
  return (progress) => Math.exp(-k * elapsed(progress, per));
}

const inverseSettings = declareSettings({
  k: nonNegative('How fast the rate falls, at least 0.'),
  per: perUnit('Whether t counts epochs or steps.', { default: 'epoch' }),
});

export type InverseOptions = OptionsOf<typeof inverseSettings>;

/** 1 / (1 + k t), t in epochs or steps. @throws OptionError */
export function inverse(options: InverseOptions): Schedule {
  const { k, per } = inverseSettings.read('schedules.inverse', options);
  return (progress) => 1 / (1 + k * elapsed(progress, per));
}

const inverseSqrtSettings = declareSettings({
  from: positive(
    't of the first step, above 0; the factor is 1 there. Behind a warm-up of n steps, n continues it as Vaswani et al. 2017 have it.',
    { default: 1 },
  ),
  per: perUnit('Whether t counts epochs or steps.', { default: 'step' }),
});

export type InverseSqrtOptions = OptionsOf<typeof inverseSqrtSettings>;

/** sqrt(from / t) with t counted from `from`: 1 / sqrt(t) from t = 1 on. @throws OptionError */
export function inverseSqrt(options: InverseSqrtOptions = {}): Schedule {
  const { from, per } = inverseSqrtSettings.read('schedules.inverseSqrt', options);
  return (progress) => Math.sqrt(from / (from + elapsed(progress, per)));
}

/** Options of the schedules that end. */
const endingSettings = declareSettings({
  min: nonNegative('Factor at the end.', { default: 0 }),
  length: positive('Steps (or epochs) until the end. Default: the whole training.', { optional: true }),
  per: perUnit('Whether t counts epochs or steps.', { default: 'step' }),
});

/** When a schedule ends, and at which factor. */
export type EndingOptions = OptionsOf<typeof endingSettings>;

/** From 1 to min, by `shape` of the share of the time that is left, which goes from 1 to 0. */
function ending(
  where: string,
  { min, per, length: given }: ValuesOf<typeof endingSettings>,
  shape: (left: number) => number,
): Schedule {
  return (progress: Progress) => {
    const length = given ?? lengthOf(where, progress, per);
    const share = length > 0 ? Math.min(1, elapsed(progress, per) / length) : 0;
    return min + (1 - min) * shape(1 - share);
  };
}

/** Options of {@link cosine}. */
export type CosineOptions = EndingOptions;

/**
 * From 1 to `min` along half a cosine, min + (1 - min) (1 + cos(pi t / T)) / 2 (Loshchilov & Hutter 2017,
 * without restarts): PyTorch's CosineAnnealingLR.
 * @throws OptionError; while training, where the length is not known (a stream) and not given
 */
export function cosine(options: CosineOptions = {}): Schedule {
  const where = 'schedules.cosine';
  return ending(where, endingSettings.read(where, options), (left) => (1 - Math.cos(Math.PI * left)) / 2);
}

/** From 1 to `min` along a line: min + (1 - min) (1 - t / T). @throws OptionError */
export function linear(options: EndingOptions = {}): Schedule {
  const where = 'schedules.linear';
  return ending(where, endingSettings.read(where, options), (left) => left);
}

const polynomialSettings = declareSettings({
  ...endingSettings.declared,
  power: positive('Exponent of the share of the time that is left.', { default: 2 }),
});

export type PolynomialOptions = OptionsOf<typeof polynomialSettings>;

/** From 1 to `min` by min + (1 - min) (1 - t / T)^power: PyTorch's PolynomialLR. @throws OptionError */
export function polynomial(options: PolynomialOptions = {}): Schedule {
  const where = 'schedules.polynomial';
  const { power, ...rest } = polynomialSettings.read(where, options);
  return ending(where, rest, (left) => left ** power);
}
