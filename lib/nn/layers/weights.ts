/** The weight and the bias of linear layers and convolutions, with PyTorch's initial weights. */
import { bool } from '../../settings';
import type { Initializer, Parameter } from '../../tensor/parameter';
import { numel, type Shape } from '../../tensor/shape';
import { kaimingUniform, uniform } from '../init/initializers';
import { initializer } from '../init/rules';
import { parameter } from '../parameter';
import { weightNoiseSettings } from './noisy-weight';

/** Settings of layers that have a weight and a bias. */
export const weightSettings = {
  bias: bool('Whether there is a bias.', { default: true }),
  weightInit: initializer(
    'What `weight` is drawn by, or the name of it. Default: as in PyTorch, uniform within +-1/sqrt(fan-in).',
    { optional: true, sparse: true },
  ),
  biasInit: initializer(
    'What `bias` is drawn by, or the name of it. Default: as in PyTorch, uniform within +-1/sqrt(fan-in).',
    { optional: true, sparse: true },
  ),
  ...weightNoiseSettings,
};

/** They are in `given` and are not fields: `bias` is the parameter. */
export const weightKeys = ['bias', 'weightInit', 'biasInit'] as const;

interface WeightValues {
  readonly bias: boolean;
  readonly weightInit?: Initializer | undefined;
  readonly biasInit?: Initializer | undefined;
}

/** The fan-in is that of all axes but the first, for transposed convolutions too. */
export function weightAndBias(
  shape: Shape,
  outputs: number,
  { bias, weightInit, biasInit }: WeightValues,
): { readonly weight: Parameter; readonly bias: Parameter | undefined } {
  const bound = 1 / Math.sqrt(numel(shape.slice(1)));
  return {
    weight: parameter(shape, weightInit ?? kaimingUniform()),
    bias: bias ? parameter([outputs], biasInit ?? uniform(-bound, bound)) : undefined,
  };
}
