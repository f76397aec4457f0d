/** A relu with a slope below 0; the formula is in lib/ops/unary.ts. */
import * as ops from '../../ops';
import { declareSettings, finite, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { Activation } from './activation';

const settings = declareSettings({
  slope: finite('Slope below 0.', { default: 0.01 }),
});

export type LeakyReLUOptions = OptionsOf<typeof settings>;

export class LeakyReLU extends withSettings(settings, Activation) {
  static override readonly kind: string = 'leakyRelu';

  override forward(x: Tensor): Tensor {
    return ops.leakyRelu(x, this.slope);
  }
}

/** x for x > 0, otherwise slope x; slope defaults to 0.01. @throws OptionError */
export const leakyRelu = maker(LeakyReLU);
