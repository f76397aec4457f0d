/**
 * The search space of AutoAugment (Cubuk et al. 2018): a policy has sub-policies of two operations, each with
 * a probability of 0 to 1 in steps of 0.1 and one of ten magnitudes: (16 * 11 * 10)^10 = 2.9e32 policies of
 * five sub-policies. The identity stands in the place of the paper's sample pairing: an operation of a
 * policy sees one image.
 */
import { policyOperations, type PolicyStep, type SubPolicy } from '../../augment';
import { checkKeys, nonNegativeInteger, positiveInteger } from '../../options';
import { philox } from '../../philox';
import { streamKey } from '../../random';
import type { Decision } from './controller';

export const PROBABILITIES = 11;
export const MAGNITUDES = 10;
const STEPS = 2;
const CHOICES_PER_STEP = 3;

/** The decisions behind a policy: for each operation which it is, how probable, how strong. */
export function policyDecisions(subPolicies: number): Decision[] {
  return Array.from({ length: subPolicies * STEPS }, () => [
    { kind: 'operation', choices: policyOperations.length },
    { kind: 'probability', choices: PROBABILITIES },
    { kind: 'magnitude', choices: MAGNITUDES },
  ]).flat();
}

/** The policy that stands for choices of {@link policyDecisions}. */
export function policyOf(choices: readonly number[]): SubPolicy[] {
  const steps = Array.from({ length: choices.length / CHOICES_PER_STEP }, (_, i): PolicyStep => {
    const [operation, probability, magnitude] = choices.slice(i * CHOICES_PER_STEP) as [
      number,
      number,
      number,
    ];
    return [policyOperations[operation]!, probability / (PROBABILITIES - 1), magnitude];
  });
  return Array.from({ length: steps.length / STEPS }, (_, i) => steps.slice(i * STEPS, (i + 1) * STEPS));
}

/** A policy that was tried. */
interface Tried {
  /** Counts from 1. */
  readonly number: number;
  readonly policy: readonly SubPolicy[];
  readonly accuracy: number;
}

/** The sub-policies of the `count` best policies together; of equal ones, the earlier are better. */
export function bestOf(children: readonly Tried[], count: number): SubPolicy[] {
  const sorted = [...children].sort((a, b) => b.accuracy - a.accuracy || a.number - b.number);
  return sorted.slice(0, count).flatMap((child) => child.policy);
}

/** Options of `tune.randomPolicy`. */
export interface RandomPolicyOptions {
  /** Default 0. */
  readonly seed?: number;
  /** How many sub-policies it has. Default 25, as many as five policies of a search have together. */
  readonly subPolicies?: number;
}

/** A policy of uniform choices: what a found one should be held against. @throws OptionError */
export function randomPolicy(options: RandomPolicyOptions = {}): SubPolicy[] {
  const where = 'tune.randomPolicy';
  checkKeys(where, options, ['seed', 'subPolicies']);
  const key = streamKey(nonNegativeInteger(where, 'seed', options.seed ?? 0), 'random policy');
  const decisions = policyDecisions(positiveInteger(where, 'subPolicies', options.subPolicies ?? 25));
  const words = new Uint32Array(4);
  return policyOf(
    decisions.map(({ choices }, i) => {
      philox(words, ...key, i, 0, 0, 0);
      return Math.floor((words[0]! / 2 ** 32) * choices);
    }),
  );
}
