/** A leaky relu whose slope is learned; the formula is in lib/ops/activations.ts. */
import * as ops from '../../ops';
import { declareSettings, finite, positiveInteger, type OptionsOf } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import { constant } from '../init/initializers';
import { maker, withSettings } from '../layer';
import { parameter } from '../parameter';
import { Activation } from './activation';

const settings = declareSettings({
  features: positiveInteger('1, or the number of channels (axis 1): a slope for each.', { default: 1 }),
  initial: finite('Slope at first.', { default: 0.25 }),
});

export type PReLUOptions = OptionsOf<typeof settings>;

/** A leaky relu whose slope is learned. Weight decay pulls it towards relu. */
export class PReLU extends withSettings(settings, Activation) {
  static override readonly kind: string = 'prelu';
  /** [features] */
  readonly weight: Parameter;

  constructor(options: PReLUOptions = {}) {
    super(options);
    this.weight = parameter([this.features], constant(this.initial));
  }

  override forward(x: Tensor): Tensor {
    return ops.prelu(x, this.weight);
  }
}

/**
 * x for x > 0, otherwise weight x, the weight learned (He et al. 2015). Parameter: weight.
 * @throws OptionError
 */
export const prelu = maker(PReLU);
