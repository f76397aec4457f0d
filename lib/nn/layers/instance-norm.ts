/** Instance normalization; the formula is in lib/ops/group-norm.ts. */
import * as ops from '../../ops';
import { bool, declareSettings, type OptionsOf } from '../../settings';
import { numel } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { maker } from '../layer';
import { ChannelNorm, normSettings } from './channel-norm';

const settings = declareSettings({
  ...normSettings,
  affine: bool('Whether there are a weight and a bias per channel, ones and zeros at first.', {
    default: false,
  }),
  trackRunningStats: bool('Whether evaluation normalizes by running statistics, as batch norm does.', {
    default: false,
  }),
});

export type InstanceNormOptions = OptionsOf<typeof settings>;

/**
 * Normalizes each channel of each sample by itself; with running statistics, evaluation normalizes by those,
 * and so does training where they are frozen. They are the means over the batch of each sample's, and move in
 * compiled training steps only.
 */
abstract class InstanceNorm<C extends number> extends ChannelNorm<C> {
  static override readonly settings = settings;

  override forward(x: Tensor): Tensor {
    this.checkInput('instance_norm', x);
    const { weight, bias, eps } = this;
    const fixed = this.fixed();
    if (fixed !== undefined) {
      const image = x.rank === 3 ? ops.reshape(x, [...x.shape, 1]) : x;
      const y = ops.batchNormEval(image, this.gamma(), this.beta(), ...fixed, eps);
      return ops.reshape(y, x.shape);
    }
    const { y, mean, variance } = ops.instanceNormStatistics(x, { gamma: weight, beta: bias, eps });
    this.track(numel(x.shape.slice(2)), () => [ops.mean(mean, { axes: 0 }), ops.mean(variance, { axes: 0 })]);
    return y;
  }
}

/** Takes [N, C, L]. */
export class InstanceNorm1d<C extends number = number> extends InstanceNorm<C> {
  static override readonly kind: string = 'instanceNorm1d';
  protected readonly rank = 3;

  constructor(features: C, options: InstanceNormOptions = {}) {
    super(features, options);
  }
}

/** Takes [N, C, H, W]. */
export class InstanceNorm2d<C extends number = number> extends InstanceNorm<C> {
  static override readonly kind: string = 'instanceNorm2d';
  protected readonly rank = 4;

  constructor(features: C, options: InstanceNormOptions = {}) {
    super(features, options);
  }
}

/**
 * Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016) of [N, C, L]. Parameters and buffers as in
 * PyTorch, without num_batches_tracked.
 * @throws OptionError; forward(): ShapeError where L is 1
 */
export const instanceNorm1d = maker(InstanceNorm1d);

/**
 * Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016) of [N, C, H, W]. Parameters and buffers as in
 * PyTorch, without num_batches_tracked.
 * @throws OptionError; forward(): ShapeError where H W is 1
 */
export const instanceNorm2d = maker(InstanceNorm2d);
