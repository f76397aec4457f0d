/** The fully connected layer. */
import * as ops from '../../ops';
import { declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import { maker, withArguments } from '../layer';
import type { Channels } from '../typing';
import { WIDTH, type Width } from '../width';
import { weightAndBias, weightKeys, weightSettings } from './weights';

const args = declareSettings({
  inFeatures: positiveInteger('Size of the last axis of the input.'),
  outFeatures: positiveInteger('Size of the last axis of the output.'),
});

const settings = declareSettings(weightSettings);

export type LinearOptions = OptionsOf<typeof settings>;

/** y = x weight^T + bias: [..., In] to [..., Out]. */
export class Linear<In extends number = number, Out extends number = number> extends withArguments(
  args,
  settings,
  weightKeys,
) {
  static override readonly kind: string = 'linear';
  declare readonly channels?: Channels<In, Out>;
  declare readonly inFeatures: In;
  declare readonly outFeatures: Out;
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
    return ops.linear(x, this.weight, this.bias);
  }
}

/** A fully connected layer with PyTorch's initial weights. @throws OptionError */
export const linear = maker(Linear);
