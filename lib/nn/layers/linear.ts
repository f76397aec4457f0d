/** The fully connected layer. */
import * as ops from '../../ops';
import { declareSettings, oneOf, positiveInteger, type OptionsOf } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import type { Channels } from '../typing';
import { WIDTH, type Width } from '../width';
import { momentMatched } from './connection-moments';
import { dropProbability, noisyWeight, weightNoiseFields, withNoise } from './noisy-weight';
import { weightAndBias, weightKeys, weightSettings } from './weights';

const args = declareSettings({
  inFeatures: positiveInteger('Size of the last axis of the input.'),
  outFeatures: positiveInteger('Size of the last axis of the output.'),
});

const settings = declareSettings({
  ...weightSettings,
  dropConnectPer: oneOf(['step', 'example'])(
    'Whether `dropConnect` drops the same connections for all examples of a step, or others for each, as Wan et al. do: the layer then takes as long as drawing a mask of its weight for each example.',
    // Sparse, so that files without it stay readable by versions that do not know it.
    { default: 'step', sparse: true },
  ),
  dropConnectSampling: oneOf(['masks', 'gaussian'])(
    'How predictions with `samples` drop connections: by masks as training does, or by drawing outputs from a normal distribution of the same mean and variance, as Wan et al. do, which takes two products.',
    { default: 'masks', sparse: true },
  ),
});

export type LinearOptions = OptionsOf<typeof settings>;

/** y = x weight^T + bias: [..., In] to [..., Out]. */
export class Linear<In extends number = number, Out extends number = number> extends withArguments(
  args,
  settings,
  weightKeys,
) {
  static override readonly kind: string = 'linear';
  static override readonly runtimeFields = weightNoiseFields;
  declare readonly channels?: Channels<In, Out>;
  declare readonly inFeatures: In;
  declare readonly outFeatures: Out;
  /** May be changed between steps. */
  declare dropConnect?: number | undefined;
  /** May be changed between steps. */
  declare weightNoise?: number | undefined;
  /** [Out, In] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  constructor(inFeatures: In, outFeatures: Out, options: LinearOptions = {}) {
    super({ inFeatures, outFeatures }, options);
    ({ weight: this.weight, bias: this.bias } = weightAndBias(
      [outFeatures, inFeatures],
      outFeatures,
      this.given,
    ));
  }

  /** @internal */
  override get [WIDTH](): Width {
    return this.inFeatures;
  }

  override forward(x: Tensor): Tensor {
    const { weight, bias } = this;
    const sampled = this.dropConnect !== undefined && this.stochastic && !this.training;
    if (sampled && this.dropConnectSampling === 'gaussian')
      return momentMatched(x, withNoise(this, weight), bias, () => this.dropConnect ?? 0);
    const p = this.dropConnectPer === 'example' ? dropProbability(this) : undefined;
    if (p !== undefined) return ops.dropConnectLinear(x, withNoise(this, weight), bias, p);
    return ops.linear(x, noisyWeight(this, weight), bias);
  }
}

/**
 * A fully connected layer, y = x weight^T + bias, f32 [..., In] to [..., Out]: PyTorch's Linear, with its
 * initial weights. Parameters: `weight` [Out, In] and `bias` [Out].
 * @throws OptionError for missing or unknown options, or sizes below 1
 */
export const linear = maker(Linear);
