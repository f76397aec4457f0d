/** The optimizer LAMB. */
import { updateRule } from '../ops/update';
import { bool, declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { adamNumbers, adapt, commonSettings, withoutAdapting } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const numbers = {
  betas: adamNumbers.betas,
  eps: nonNegative('Added to the root of the second moment.', { default: 1e-6 }),
  adapt,
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 1e-3 }),
  ...numbers,
  biasCorrection: bool('Divides the moments by 1 - beta^t: they begin at zero.', { default: true }),
  ...commonSettings(numbers),
});

/** Numbers of LAMB that groups may set. */
export type LambNumbers = ValuesOf<typeof numbers>;
export type LambOptions = OptionsOf<typeof settings>;

export class Lamb extends optimizerOf({
  kind: 'lamb',
  settings,
  numbers,
  rule: updateRule('lamb', ['lr', 'beta1', 'beta2', 'eps', 'weightDecay', 'step', 'adapt'], ['uncorrected']),
  states: () => ['exp_avg', 'exp_avg_sq'],
  flags: ({ biasCorrection }) => ({ uncorrected: !biasCorrection }),
}) {}

/**
 * LAMB (You et al. 2020, "Large batch optimization for deep learning"): with Adam's moments
 * u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weightDecay w; w -= lr (|w| / |u|) u. The norms are
 * those of each tensor, and their ratio is 1 where either is 0.
 */
export const lamb: Maker<LambOptions, Lamb> = maker(settings, (given) => new Lamb(given), {
  lr: 0.002,
  weightDecay: 0.01,
  options: withoutAdapting,
});
