/** Which initializer a parameter gets: by name for one layer, or by a rule over a model. */
import { OptionError } from '../../errors';
import { clip, oneOf, show } from '../../options';
import { kind } from '../../settings';
import type { Initializer, Parameter } from '../../tensor/parameter';
import * as init from './initializers';
import { orthogonal } from './orthogonal';
import { truncatedNormal } from './truncated-normal';

const byName = {
  zeros: init.zeros,
  ones: init.ones,
  normal: init.normal,
  truncatedNormal,
  xavierNormal: init.xavierNormal,
  xavierUniform: init.xavierUniform,
  heNormal: init.heNormal,
  heUniform: init.heUniform,
  kaimingUniform: init.kaimingUniform,
  kaimingNormal: init.kaimingNormal,
  orthogonal,
  randomWalk: init.randomWalk,
} as const;

/** Names of initializers with their default settings. */
export type InitializerName = keyof typeof byName;

/** An initializer, or its name: `nn.init.normal(0, 0.01)` or `'heNormal'`. */
export type InitializerLike = Initializer | InitializerName;

/** @throws OptionError for anything else, with the nearest name */
export function resolveInitializer(where: string, key: string, value: unknown): Initializer {
  if (typeof value === 'function') return value as Initializer;
  if (typeof value !== 'string')
    throw new OptionError(`${where}: ${key} must be an initializer or the name of one, got ${show(value)}`);
  const names = Object.keys(byName) as InitializerName[];
  return byName[oneOf(where, key, value, names)]();
}

/**
 * A setting that is an initializer or the name of one. Files hold the weights and not what they
 * were drawn by.
 */
export const initializer = kind<Initializer, InitializerLike>({
  check: resolveInitializer,
  domain: { type: 'other' },
  toJson: () => null,
});

/**
 * The initializers of a model's parameters from now on. Parameters that no rule names keep those
 * of their layers.
 */
export interface InitRules {
  /**
   * For every parameter of rank 2 or more except layer norm's: the weights of linear layers and convolutions.
   */
  readonly weights?: InitializerLike;
  /** For every parameter called `bias`. */
  readonly biases?: InitializerLike;
  /** Asked first, parameter by parameter. */
  readonly rule?: (name: string, parameter: Parameter) => InitializerLike | undefined;
}

/** Keys of InitRules, for checks of options that hold them. */
export const initRuleKeys = ['weights', 'biases', 'rule'] as const;

/** @throws OptionError for unknown names and things that are not initializers */
export function applyInitRules(
  where: string,
  { weights, biases, rule }: InitRules,
  parameters: ReadonlyMap<string, Parameter>,
): void {
  if (rule !== undefined && typeof rule !== 'function')
    throw new OptionError(`${where}: rule must be a function, got ${show(rule)}`);
  const byRank = weights === undefined ? undefined : resolveInitializer(where, 'weights', weights);
  const forBiases = biases === undefined ? undefined : resolveInitializer(where, 'biases', biases);
  for (const [name, parameter] of parameters) {
    const own = rule?.(name, parameter);
    if (own !== undefined) {
      parameter.initializer = resolveInitializer(where, `rule for ${clip(name)}`, own);
    } else if (byRank !== undefined && parameter.rank >= 2 && !parameter.ofNormalization) {
      parameter.initializer = byRank;
    } else if (forBiases !== undefined && /(^|\.)bias$/.test(name)) {
      parameter.initializer = forBiases;
    }
  }
}
