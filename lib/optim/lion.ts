/** The optimizer Lion. */
import { updateRule } from '../ops/update';
import { declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { betas, commonSettings } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const numbers = {
  betas: betas('Share of m in the direction, and decay of m, each in [0, 1).', { default: [0.9, 0.99] }),
};
const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 1e-4 }),
  ...numbers,
  ...commonSettings(numbers),
});

/** Numbers of Lion that groups may set. */
export type LionNumbers = ValuesOf<typeof numbers>;
export type LionOptions = OptionsOf<typeof settings>;

export class Lion extends optimizerOf({
  kind: 'lion',
  settings,
  numbers,
  rule: updateRule('lion', ['lr', 'beta1', 'beta2', 'weightDecay'], []),
  states: () => ['exp_avg'],
  flags: () => ({}),
}) {}

/**
 * Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms"): w -= lr (sign(b1 m + (1 - b1)
 * g) + weightDecay w), then m = b2 m + (1 - b2) g. Every weight moves by lr, so that lr is three to ten times
 * smaller than Adam's and weightDecay as much larger.
 */
export const lion: Maker<LionOptions, Lion> = maker(settings, (given) => new Lion(given), { lr: 3e-4 });
