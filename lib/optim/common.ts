/** Settings that several optimizers have. */
import { OptionError } from '../errors';
import { show } from '../options';
import {
  bool,
  checkNumber,
  kind,
  nonNegative,
  number,
  positive,
  type Declared,
  type Kind,
  type OptionsOf,
} from '../settings';
import { checkGroups, noDecay, type GroupOf, type ParameterGroup } from './groups';

const share = { minimum: 0, exclusiveMaximum: 1 } as const;
const checkShare = checkNumber(share);

/** A share of the past in a running mean: from 0 to below 1. */
export const decayRate = number(share);

/** Two of them, of the running means of g and g^2. The kernels know them as beta1 and beta2. */
export const betas = kind<[number, number], readonly [number, number]>({
  check: (where, name, value) => {
    if (!Array.isArray(value) || value.length !== 2)
      throw new OptionError(`${where}: ${name} must be a list of two numbers, got ${show(value)}`);
    const [beta1, beta2] = value as unknown[];
    return [checkShare(where, `${name}[0]`, beta1), checkShare(where, `${name}[1]`, beta2)];
  },
  domain: {
    type: 'tuple',
    parts: { beta1: { type: 'number', ...share }, beta2: { type: 'number', ...share } },
  },
});

/** Numbers of Adam and its kin that groups may set. */
export const adamNumbers = {
  betas: betas('Decay of the running averages of g and g^2, each in [0, 1).', { default: [0.9, 0.999] }),
  eps: nonNegative('Added to the root of the second moment.', { default: 1e-8 }),
};

export const decoupled = bool(
  'Decay shrinks weights by 1 - lr weightDecay instead of being added to the gradient (Loshchilov & Hutter 2019).',
  { default: false },
);

export const adapt = bool(
  'False takes steps with a ratio of 1: for biases and norms, `groups: [optim.noDecay({ adapt: false })]`.',
  { default: true },
);

/** The state of an optimizer with momentum: a velocity, where some parameter has any. */
export function velocityOf(values: {
  readonly momentum: number;
  readonly groups: readonly { readonly momentum?: number | undefined }[];
}): readonly string[] {
  const some = [values, ...values.groups].some(({ momentum = 0 }) => momentum > 0);
  return some ? ['momentum_buffer'] : [];
}

/** Biases and norms neither decay nor have their rates adapted: what `tenon train` begins with. */
export const withoutAdapting = (): { groups: readonly object[] } => ({ groups: [noDecay({ adapt: false })] });

function groupsOf<N extends Declared>(numbers: N): Kind<readonly GroupOf<N>[]> {
  return kind({
    check: (where, _, value) => checkGroups(where, value, numbers),
    domain: { type: 'other' },
  });
}

const decayAndLimits = {
  weightDecay: nonNegative('Decay of weights.', { default: 0 }),
  clipNorm: positive(
    'Gradients are scaled so that their norm over all parameters is at most this (Pascanu et al. 2013). Default: no limit.',
    { optional: true },
  ),
  clipValue: positive(
    'Every element of the gradients is cut to within +- this, before clipNorm looks at them. Default: no limit.',
    { optional: true },
  ),
  maxNorm: positive(
    "Largest norm of the weights of an output unit, which is what has one index along the first axis of a parameter with two axes or more: what exceeds it is scaled back after the step, as by PyTorch's `renorm` (Srivastava et al. 2014). May be changed between steps. Default: no limit.",
    { optional: true },
  ),
};

/** Settings that every optimizer has, besides `lr`. `numbers` are those that groups may set. */
export function commonSettings<N extends Declared>(numbers: N) {
  return {
    ...decayAndLimits,
    groups: groupsOf(numbers)(
      "Parameters with settings of their own: lr, weightDecay, maxNorm, and the optimizer's own numbers.",
      { default: [] },
    ),
  };
}

/** Options that every optimizer takes. `H` are its own numbers that groups may set as well. */
export type OptimizerOptions<H extends object = object> = OptionsOf<typeof decayAndLimits> & {
  /** Parameters with settings of their own: `lr`, `weightDecay`, and the optimizer's own numbers. */
  readonly groups?: readonly (ParameterGroup & Partial<H>)[];
};
