/** Options that the ready-made models share. */
import { OptionError } from '../errors';
import { checkKeys, positiveInteger, probability } from '../options';

export interface ModelOptions {
  /** Outputs of the last layer. Default 10. */
  readonly classes?: number;
  /** Channels of the input. */
  readonly inChannels?: number;
  /** Height and width of the input in pixels. */
  readonly imageSize?: number;
  /**
   * Seed of the initial weights. Default: drawn with seed 0, or the Trainer's, when they are first needed.
   */
  readonly seed?: number;
}

/** Options of networks of residual blocks. */
export interface ResidualOptions extends ModelOptions {
  /**
   * Stochastic depth (Huang et al. 2016): the probability of dropping the last block's branch in training.
   * That of block l of L is l / L times this. Default: none.
   */
  readonly stochasticDepth?: number;
}

/**
 * The settings of a network's residual blocks, in their order: probabilities rise linearly to the given one.
 * @throws OptionError
 */
export function depthSettings(
  where: string,
  { stochasticDepth: last }: ResidualOptions,
  blocks: number,
): () => { readonly stochasticDepth?: number } {
  if (last === undefined) return () => ({});
  probability(where, 'stochasticDepth', last);
  let block = 0;
  return () => ({ stochasticDepth: (++block / blocks) * last });
}

export const modelKeys = ['classes', 'inChannels', 'imageSize', 'seed'] as const;

export interface ResolvedOptions {
  readonly classes: number;
  readonly inChannels: number;
  readonly imageSize: number;
}

/** A model's defaults, and the smallest image that it can take. */
export interface ModelDefaults {
  /** Default 10. */
  readonly classes?: number;
  readonly inChannels: number;
  readonly imageSize: number;
  readonly minimumSize: number;
}

/** @throws OptionError for unknown keys, numbers out of range, images too small for the model */
export function resolveOptions(
  where: string,
  options: ModelOptions,
  defaults: ModelDefaults,
  extraKeys: readonly string[] = [],
): ResolvedOptions {
  checkKeys(where, options, [...modelKeys, ...extraKeys]);
  const imageSize = positiveInteger(where, 'imageSize', options.imageSize ?? defaults.imageSize);
  if (imageSize < defaults.minimumSize) {
    throw new OptionError(`${where}: imageSize must be at least ${defaults.minimumSize}, got ${imageSize}`);
  }
  return {
    classes: positiveInteger(where, 'classes', options.classes ?? defaults.classes ?? 10),
    inChannels: positiveInteger(where, 'inChannels', options.inChannels ?? defaults.inChannels),
    imageSize,
  };
}
