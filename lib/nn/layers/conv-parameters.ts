/** What convolution layers of all kinds share: checks of channels, PyTorch's initial weights. */
import { OptionError } from '../../errors';
import { bool, positiveInteger } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import { numel, type Shape } from '../../tensor/shape';
import { kaimingUniform, uniform } from '../init/initializers';
import { parameter } from '../parameter';
import { replaceInitializer, type InitializerLike } from '../init/rules';

/** A layer's options with those of its weights by themselves: what is left is the op's. */
export function splitOptions<T extends WeightOptions>(
  options: T,
): Omit<T, keyof WeightOptions> & { readonly weights: WeightOptions } {
  const { bias, weightInit, biasInit, ...rest } = options;
  const given = { bias, weightInit, biasInit };
  return { ...rest, weights: Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) };
}

/** @throws OptionError for counts that are not positive or that groups do not divide */
export function checkChannels(where: string, inChannels: number, outChannels: number, groups: number): void {
  positiveInteger(where, 'inChannels', inChannels);
  positiveInteger(where, 'outChannels', outChannels);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new OptionError(
      `${where}: ${inChannels} and ${outChannels} channels cannot be split in ${groups} groups`,
    );
  }
}

/** Options that convolution layers of all kinds take. */
export interface WeightOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** What `weight` and `bias` are drawn by, or the name of it; default: as in PyTorch, kaimingUniform and uniform. */
  readonly weightInit?: InitializerLike;
  readonly biasInit?: InitializerLike;
}

export const weightKeys = ['bias', 'weightInit', 'biasInit'] as const;

/**
 * By default uniform within +-1/sqrt(fan-in), the fan-in being that of all axes but the first, for transposed convolutions too.
 * @throws OptionError
 */
export function weightAndBias(
  where: string,
  shape: Shape,
  outChannels: number,
  options: WeightOptions,
): { readonly weight: Parameter; readonly bias: Parameter | undefined } {
  const bound = 1 / Math.sqrt(numel(shape.slice(1)));
  const weight = parameter(shape, kaimingUniform());
  const biased = bool(where, 'bias', options.bias ?? true);
  const bias = biased ? parameter([outChannels], uniform(-bound, bound)) : undefined;
  replaceInitializer(where, 'weightInit', weight, options.weightInit);
  replaceInitializer(where, 'biasInit', bias, options.biasInit);
  return { weight, bias };
}
