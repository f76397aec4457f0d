/** The Gaussian error linear unit; the formulas are in lib/ops/unary.ts. */
import * as ops from '../../ops';
import { declareSettings, oneOf, type OptionsOf } from '../../settings';
import type { Tensor } from '../../tensor/tensor';
import { maker, withSettings } from '../layer';
import { Activation } from './activation';

const settings = declareSettings({
  approximate: oneOf(['none', 'tanh'])("'none' is exact, 'tanh' the form with tanh.", {
    default: 'none',
    sparse: true,
  }),
});

export type GELUOptions = OptionsOf<typeof settings>;

export class GELU extends withSettings(settings, Activation) {
  static override readonly kind: string = 'gelu';

  override forward(x: Tensor): Tensor {
    return this.approximate === 'tanh' ? ops.geluTanh(x) : ops.gelu(x);
  }
}

/** x Phi(x), by default exact; approximate 'tanh' is the form with tanh. @throws OptionError */
export const gelu = maker(GELU);
