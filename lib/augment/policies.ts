/** The policies of AutoAugment, RandAugment and TrivialAugment. */
import { OptionError } from '../errors';
import { declareSettings, integer, nonNegativeInteger, oneOf, type OptionsOf } from '../settings';
import { FOUND_POLICIES } from './found-policies';
import { requireColours } from './kinds';
import { maker, noArgument } from './native';
import { bins, drawnOperation, policyNumbers, shared } from './policy';
import { FIXED, policyOperations } from './policy-operations';
import { evenly, someOfNodes } from './program';

const autoSettings = declareSettings(shared);

export type AutoAugmentOptions = OptionsOf<typeof autoSettings>;

/**
 * A policy that Cubuk et al. 2018 found by reinforcement learning, "AutoAugment: learning augmentation
 * policies from data": `autoAugment('cifar10')`, 'imagenet' or 'svhn'. torchvision's AutoAugment.
 * @throws OptionError
 */
export const autoAugment = maker(
  'autoAugment',
  declareSettings({
    policy: oneOf(['cifar10', 'imagenet', 'svhn'])('The data set that the policy was found on.'),
  }),
  autoSettings,
  ({ policy, ...rest }, form) => {
    const values = { ...rest, bins: 10, magnitudes: 'standard' } as const;
    return { numbers: policyNumbers('autoAugment', FOUND_POLICIES[policy], values, form) };
  },
);

/** Operations that RandAugment and TrivialAugment draw from. */
const DRAWN = policyOperations.filter((name) => name !== 'Invert' && name !== 'Cutout');

const randSettings = declareSettings({
  n: integer({ minimum: 1, maximum: 100 })('How many operations an image goes through.', { default: 2 }),
  m: nonNegativeInteger('The magnitude of all of them, from 0 to bins - 1.', { default: 9 }),
  bins: bins('How many magnitudes there are.', { default: 31 }),
  ...shared,
});

export type RandAugmentOptions = OptionsOf<typeof randSettings>;

/**
 * `n` operations of magnitude `m`, drawn for each image: `randAugment({ n: 2, m: 9 })`. Cubuk
 * et al. 2019, "RandAugment: practical automated data augmentation with a reduced search
 * space"; torchvision's RandAugment.
 * @throws OptionError
 */
export const randAugment = maker(
  'randAugment',
  noArgument,
  randSettings,
  (values, form) => {
    requireColours('randAugment', form);
    const { n, m, p } = values;
    const nodes = DRAWN.map((name) => drawnOperation([name, 1, m], 'standard', values, form));
    return { numbers: someOfNodes(p, nodes, [n, n], true) };
  },
  (where, { m, bins }) => {
    if (m > bins - 1) throw new OptionError(`${where}: m must be at most bins - 1 = ${bins - 1}, got ${m}`);
  },
);

const trivialSettings = declareSettings({
  // Each of them is a part of the program, which has a largest size.
  bins: integer({ minimum: 2, maximum: 100 })('How many magnitudes there are.', { default: 31 }),
  ...shared,
});

export type TrivialAugmentOptions = OptionsOf<typeof trivialSettings>;

/**
 * One operation, with a random magnitude, drawn for each image. Mueller and Hutter 2021, "TrivialAugment:
 * tuning-free yet state-of-the-art data augmentation"; torchvision's TrivialAugmentWide.
 * @throws OptionError
 */
export const trivialAugment = maker('trivialAugment', noArgument, trivialSettings, (values, form) => {
  requireColours('trivialAugment', form);
  const nodes = DRAWN.map((name) => {
    const magnitudes = FIXED.has(name) ? [0] : Array.from({ length: values.bins }, (_, m) => m);
    return evenly(
      1,
      magnitudes.map((m) => drawnOperation([name, 1, m], 'wide', values, form)),
    );
  });
  return { numbers: evenly(values.p, nodes) };
});
