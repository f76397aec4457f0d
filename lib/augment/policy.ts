/**
 * A policy of your own: sub-policies of the operations of policy-operations.ts, as data. It becomes one
 * program of the native interpreter.
 */
import { OptionError } from '../errors';
import { checkList, nearest as nearestName, probability, show } from '../options';
import { declareSettings, integer, oneOf, type OptionsOf } from '../settings';
import type { Augmentation } from './augmentation';
import { always, colour, requireColours } from './kinds';
import { NativeAugmentation } from './native';
import {
  FIXED,
  OPERATIONS,
  policyOperations,
  SPACES,
  type MagnitudeSpace,
  type Making,
  type PolicyOperation,
  type PolicyStep,
  type Sampling,
  type SubPolicy,
} from './policy-operations';
import { evenly, sequenceOf, type ImageForm } from './program';

/** The setting of how many magnitudes there are, and the most that there may be. */
export const MOST_BINS = 1000;
export const bins = integer({ minimum: 2, maximum: MOST_BINS });

/** Settings of everything that draws operations. */
export const shared = {
  interpolation: oneOf(['nearest', 'bilinear'])('How pixels are resampled.', { default: 'nearest' }),
  fill: colour('Colour of what lies outside the image, from 0 to 255.', { default: 0 }),
  p: always,
};

/** An operation of a magnitude from 0 to bins - 1, with a random sign where it has one. */
export function drawnOperation(
  [name, p, magnitude = 0]: PolicyStep,
  space: MagnitudeSpace,
  values: Sampling & { readonly bins: number },
  form: ImageForm,
): number[] {
  const making: Making = { at: magnitude / (values.bins - 1), space: SPACES[space], form, sampling: values };
  return evenly(p, OPERATIONS[name](making));
}

const policySettings = declareSettings({
  bins: bins('How many magnitudes there are.', { default: 10 }),
  magnitudes: oneOf(['standard', 'wide'])('How large they are: as in AutoAugment, or as in TrivialAugment.', {
    default: 'standard',
  }),
  ...shared,
});

export type PolicyOptions = OptionsOf<typeof policySettings>;

/**
 * A policy of your own: for each image one of the sub-policies is drawn, and its steps happen one after the
 * other, each with its probability. `policy([[['Rotate', 0.8, 4], ['Color', 0.5, 7]], [['Invert', 0.3]]])`.
 * @throws OptionError for an operation that does not exist, a probability or a magnitude out of range
 */
export function policy(subPolicies: readonly SubPolicy[], options?: PolicyOptions): Augmentation {
  const where = 'augment.policy';
  const values = policySettings.read(where, options);
  const list = checkPolicy(where, subPolicies, values.bins);
  return new NativeAugmentation('policy', { policy: list, ...values }, (form) => ({
    numbers: policyNumbers('policy', list, values, form),
    size: form.size,
  }));
}

/** One of these is drawn for each image. */
export function policyNumbers(
  name: string,
  list: readonly SubPolicy[],
  values: ReturnType<typeof policySettings.read>,
  form: ImageForm,
): number[] {
  requireColours(name, form);
  const nodes = list.map((steps) =>
    sequenceOf(
      1,
      steps.map((step) => drawnOperation(step, values.magnitudes, values, form)),
    ),
  );
  return evenly(values.p, nodes);
}

/** A policy with magnitudes from 0 to count - 1. @throws OptionError that names the step */
export function checkPolicy(where: string, given: unknown, count: number): readonly SubPolicy[] {
  checkList(where, 'sub-policies', given);
  if (given.length === 0) throw new OptionError(`${where}: there are no sub-policies`);
  return given.map((steps, i) => {
    const name = `sub-policy ${i + 1}`;
    checkList(where, name, steps);
    if (steps.length === 0) throw new OptionError(`${where}: ${name} has no steps`);
    return steps.map((step, j) => checkStep(where, `step ${j + 1} of ${name}`, step, count));
  });
}

function checkStep(where: string, name: string, step: unknown, count: number): PolicyStep {
  if (!Array.isArray(step) || step.length < 1 || step.length > 3)
    throw new OptionError(`${where}: ${name} must be [operation, p, magnitude], got ${show(step)}`);
  const [op, p, magnitude] = step as unknown[];
  if (!isOperation(op)) throw unknownOperation(where, name, op);
  const chance = probability(where, `p of ${name}`, p);
  if (FIXED.has(op)) return [op, chance];
  if (typeof magnitude === 'number' && magnitude >= 0 && magnitude <= count - 1)
    return [op, chance, magnitude];
  throw new OptionError(
    `${where}: the magnitude of ${name} (${op}) must be a number from 0 to ${count - 1}, got ${show(magnitude)}`,
  );
}

function isOperation(value: unknown): value is PolicyOperation {
  return typeof value === 'string' && Object.hasOwn(OPERATIONS, value);
}

function unknownOperation(where: string, name: string, op: unknown): OptionError {
  const near = typeof op === 'string' ? nearestName(op, policyOperations) : undefined;
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return new OptionError(
    `${where}: ${name}: unknown operation ${show(op)}${hint}; known: ${policyOperations.join(', ')}`,
  );
}
