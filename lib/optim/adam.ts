/** The optimizers Adam and AdamW. */
import { updateRule } from '../ops/update';
import { oneOf } from '../options';
import { bool, declareSettings, nonNegative, type OptionsOf, type ValuesOf } from '../settings';
import { adamNumbers as numbers, commonSettings } from './common';
import { maker, optimizerOf, type Maker } from './declare';

const settings = declareSettings({
  lr: nonNegative('Learning rate.', { default: 1e-3 }),
  ...numbers,
  epsInside: bool('eps is added to the second moment instead of to its root.', { default: false }),
  biasCorrection: bool('Divides the moments by 1 - beta^t: they begin at zero.', { default: true }),
  amsgrad: bool(
    'Divides by the largest second moment so far (Reddi et al. 2018, "On the convergence of Adam and beyond").',
    { default: false },
  ),
  ...commonSettings(numbers),
});
/** PyTorch's AdamW decays by default, its Adam does not. */
const adamwSettings = declareSettings({
  ...settings.declared,
  weightDecay: nonNegative('Decay of weights.', { default: 0.01 }),
});

/** Numbers of Adam that groups may set. */
export type AdamNumbers = ValuesOf<typeof numbers>;
export type AdamOptions = OptionsOf<typeof settings>;
export type AdamwOptions = OptionsOf<typeof adamwSettings>;

export class Adam extends optimizerOf({
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion -- it may also be 'adamw'
  kind: 'adam' as 'adam' | 'adamw',
  settings,
  numbers,
  rule: updateRule(
    'adam',
    ['lr', 'beta1', 'beta2', 'eps', 'weightDecay', 'step'],
    ['decoupled', 'epsInside', 'uncorrected', 'amsgrad'],
  ),
  states: ({ amsgrad }) => ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])],
  flags: (own, kind) => ({ ...own, uncorrected: !own.biasCorrection, decoupled: kind === 'adamw' }),
}) {
  constructor(kind: 'adam' | 'adamw', options: AdamOptions = {}) {
    oneOf('optim.Adam', 'kind', kind, ['adam', 'adamw']);
    super(options, { kind, settings: kind === 'adamw' ? adamwSettings : settings });
  }
}

/**
 * Adam (Kingma & Ba 2015) as in PyTorch: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; and with t from 1
 * w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps). `weightDecay` w is added to g. The lecture's
 * forms: `adam({ eps: 1e-7 })`, and without the correction `adam({ biasCorrection: false, eps: 1e-7 })`.
 */
export const adam: Maker<AdamOptions, Adam> = maker(settings, (given) => new Adam('adam', given));

/**
 * AdamW (Loshchilov & Hutter 2019, "Decoupled weight decay regularization") as in PyTorch: Adam, but w
 * shrinks by 1 - lr weightDecay before each step, and the decay does not enter the moments.
 */
export const adamw: Maker<AdamwOptions, Adam> = maker(adamwSettings, (given) => new Adam('adamw', given));
