/** What convolution layers of all kinds share: checks of channels, PyTorch's initial weights. */
import { OptionError } from '../errors';
import { positiveInteger } from '../options';
import type { Parameter } from '../tensor/parameter';
import { numel, type Shape } from '../tensor/shape';
import { kaimingUniform, parameter, uniform } from './init';

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

/** Uniform within +-1/sqrt(fan-in), the fan-in being that of all axes but the first, for transposed convolutions too. */
export function weightAndBias(
  shape: Shape,
  outChannels: number,
  bias: boolean,
): { readonly weight: Parameter; readonly bias: Parameter | undefined } {
  const bound = 1 / Math.sqrt(numel(shape.slice(1)));
  return {
    weight: parameter(shape, kaimingUniform()),
    bias: bias ? parameter([outChannels], uniform(-bound, bound)) : undefined,
  };
}
