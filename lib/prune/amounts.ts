/** Pruning by a share of what is left: of the smallest magnitudes, or at random. */
import { OptionError } from '../errors';
import type { Module } from '../nn/module';
import * as ops from '../ops';
import { checkKeys, nonNegativeInteger, oneOf, probability } from '../options';
import type { Parameter } from '../tensor/parameter';
import { chosen, writeMasks, type MatchOptions } from './masks';
import { dropLowest, remaining, type Candidates } from './select';
import { sparsity, type Sparsity } from './sparsity';

export interface AmountOptions extends MatchOptions {
  /**
   * The share of the remaining elements that is pruned, from 0 to 1: of each parameter, or of all together
   * with `scope: 'global'`. With `scope: 'layer'` also a function of the parameter.
   */
  readonly amount: number | ((name: string, parameter: Parameter) => number);
  /**
   * Whether parameters are pruned each by itself ('layer', default) or compared with each other ('global').
   */
  readonly scope?: 'layer' | 'global';
}

export interface RandomOptions extends AmountOptions {
  /** Default 0. */
  readonly seed?: number;
}

export const amountKeys = ['amount', 'scope', 'match'] as const;

/**
 * Prunes the elements of smallest magnitude, and returns what is left. Among equal elements the first go.
 * Weights become 0 at once and stay so whatever trains them; a call after training prunes further. Han et al.
 * 2015, "Learning both weights and connections".
 * @throws OptionError
 */
export function magnitude(model: Module, options: AmountOptions): Promise<Sparsity> {
  const where = 'prune.magnitude';
  checkKeys(where, options, amountKeys);
  return pruneLowest(where, model, options, async (_, parameter) =>
    Float32Array.from(await parameter.data(), Math.abs),
  );
}

/**
 * Prunes elements at random, as a control for magnitudes. The same seed and names give the same masks.
 * @throws OptionError
 */
export function random(model: Module, options: RandomOptions): Promise<Sparsity> {
  const where = 'prune.random';
  checkKeys(where, options, [...amountKeys, 'seed']);
  const seed = nonNegativeInteger(where, 'seed', options?.seed ?? 0);
  return pruneLowest(where, model, options, async (name, { shape }) =>
    Float32Array.from(await ops.randomUniform(shape, seed, `${name}/${where}`).data()),
  );
}

/** Checks what `magnitude` and `random` have in common. */
export function checkAmounts(
  where: string,
  model: Module,
  { amount, scope, match }: AmountOptions = { amount: NaN },
): { parameters: [string, Parameter][]; amounts: number[]; global: boolean } {
  const global = oneOf(where, 'scope', scope ?? 'layer', ['layer', 'global']) === 'global';
  const parameters = chosen(where, model, match);
  if (parameters.length === 0) throw new OptionError(`${where}: the model has no weight of rank 2 or more`);
  if (typeof amount === 'function' && global)
    throw new OptionError(`${where}: with scope 'global' amount must be a number, all have one limit`);
  const amounts = parameters.map(([name, parameter]) =>
    probability(where, 'amount', typeof amount === 'function' ? amount(name, parameter) : amount),
  );
  return { parameters, amounts, global };
}

async function pruneLowest(
  where: string,
  model: Module,
  options: AmountOptions,
  scoresOf: (name: string, parameter: Parameter) => Promise<Float32Array>,
): Promise<Sparsity> {
  const { parameters, amounts, global } = checkAmounts(where, model, options);
  const candidates: Candidates[] = [];
  for (const [name, parameter] of parameters) {
    const mask =
      parameter.mask === undefined
        ? new Float32Array(parameter.size).fill(1)
        : Float32Array.from(await parameter.mask.data());
    candidates.push({ scores: await scoresOf(name, parameter), mask });
  }
  const drop = (list: Candidates[], amount: number): void =>
    dropLowest(list, Math.round(amount * remaining(list)));
  if (global) drop(candidates, amounts[0]!);
  else candidates.forEach((one, i) => drop([one], amounts[i]!));
  await writeMasks(
    where,
    model,
    parameters.map(([name, parameter], i) => [name, parameter, candidates[i]!.mask] as const),
  );
  return sparsity(model);
}
