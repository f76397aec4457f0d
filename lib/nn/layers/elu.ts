/** The exponential linear unit; the formula is in lib/ops/unary.ts. */
import * as ops from '../../ops';
import { declareSettings, finite, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { Activation } from './activation';

const settings = declareSettings({
  alpha: finite('The limit far below 0 is -alpha.', { default: 1 }),
});

export type ELUOptions = OptionsOf<typeof settings>;

export class ELU extends withSettings(settings, Activation) {
  static override readonly kind: string = 'elu';

  override forward(x: Tensor): Tensor {
    return ops.elu(x, this.alpha);
  }
}

/** x for x > 0, otherwise alpha (e^x - 1); alpha defaults to 1. @throws OptionError */
export const elu = maker(ELU);
