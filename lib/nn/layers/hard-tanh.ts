/** A tanh of straight lines; the formula is in lib/ops/activations.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { declareSettings, finite, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { Activation } from './activation';

const settings = declareSettings({
  low: finite('Least value.', { default: -1 }),
  high: finite('Greatest value.', { default: 1 }),
});

export type HardTanhOptions = OptionsOf<typeof settings>;

export class HardTanh extends withSettings(settings, Activation) {
  static override readonly kind: string = 'hardTanh';

  constructor(options: HardTanhOptions = {}) {
    super(options);
    if (this.low >= this.high)
      throw new OptionError(`nn.hardTanh: low must be below high, got ${this.low} and ${this.high}`);
  }

  override forward(x: Tensor): Tensor {
    return ops.hardTanh(x, this.low, this.high);
  }
}

/** min(max(x, low), high), low and high by default -1 and 1. @throws OptionError */
export const hardTanh = maker(HardTanh);
