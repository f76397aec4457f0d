/** What training does to the weights of linear layers and convolutions. */
import * as ops from '../../ops';
import { nonNegative, probability } from '../../settings';
import { runtimeScalar, type Tensor } from '../../tensor/tensor';

// Sparse, so that files without them stay readable by versions that do not know them.
const absent = { optional: true, sparse: true } as const;

export const weightNoiseSettings = {
  dropConnect: probability(
    'Probability of dropping each weight in a step of training (DropConnect, Wan et al. 2013); the others are divided by 1 less it. Evaluation uses all. May be changed between steps.',
    absent,
  ),
  weightNoise: nonNegative(
    'Deviation of Gaussian noise that is added to the weights in a step of training. May be changed between steps.',
    absent,
  ),
};

/** Names of fields that programs of these layers do not hold. */
export const weightNoiseFields: readonly string[] = ['dropConnect', 'weightNoise'];

interface Noisy {
  readonly stochastic: boolean;
  readonly dropConnect?: number | undefined;
  readonly weightNoise?: number | undefined;
}

/** The weight with Gaussian noise, where it has any. */
export function withNoise(layer: Noisy, weight: Tensor): Tensor {
  if (layer.weightNoise === undefined || !layer.stochastic) return weight;
  return ops.weightNoise(
    weight,
    runtimeScalar(() => layer.weightNoise ?? 0),
  );
}

/** The probability of dropping a connection, as a runtime scalar; undefined where none is dropped. */
export function dropProbability(layer: Noisy): Tensor | undefined {
  if (layer.dropConnect === undefined || !layer.stochastic) return undefined;
  return runtimeScalar(() => layer.dropConnect ?? 0);
}

/** The weight that a step computes with: with its noise, and connections dropped for the whole batch. */
export function noisyWeight(layer: Noisy, weight: Tensor): Tensor {
  const noisy = withNoise(layer, weight);
  const p = dropProbability(layer);
  return p === undefined ? noisy : ops.dropConnect(noisy, p);
}
