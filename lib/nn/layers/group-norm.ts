/** Group normalization; the formula is in lib/ops/group-norm.ts. */
import { OptionError, ShapeError } from '../../errors';
import * as ops from '../../ops';
import { bool, declareSettings, positiveInteger, type OptionsOf } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import { formatShape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { constant } from '../init/initializers';
import { maker, withArguments } from '../layer';
import { parameter } from '../parameter';
import type { Channels } from '../typing';
import { WIDTH, type Width } from '../width';
import { eps, featureArguments, place } from './channel-norm';

const args = declareSettings({
  groups: positiveInteger('The groups that the channels are split into.'),
  ...featureArguments.declared,
});

const settings = declareSettings({
  eps,
  affine: bool('Whether there are a weight and a bias per channel, ones and zeros at first.', {
    default: true,
  }),
});

export type GroupNormOptions = OptionsOf<typeof settings>;

/** Normalizes groups of channels of each sample by themselves. */
export class GroupNorm<C extends number = number> extends withArguments(args, settings) {
  static override readonly kind: string = 'groupNorm';
  declare readonly channels?: Channels<C, C>;
  declare readonly features: C;
  /** [C] */
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(groups: number, features: C, options: GroupNormOptions = {}) {
    super({ groups, features }, options);
    if (features % groups !== 0)
      throw new OptionError(`nn.groupNorm: ${features} channels cannot be split into ${groups} groups`);
    this.weight = this.affine ? parameter([features], constant(1)) : undefined;
    this.bias = this.affine ? parameter([features], constant(0)) : undefined;
  }

  /** @internal */
  override get [WIDTH](): Width {
    return this.features;
  }

  override forward(x: Tensor): Tensor {
    if (x.rank < 2 || x.shape[1] !== this.features)
      throw new ShapeError(
        `${place('group_norm', this)}: expects x [N, ${this.features}, ...], got ${formatShape(x.shape)}`,
      );
    return ops.groupNorm(x, this.groups, { gamma: this.weight, beta: this.bias, eps: this.eps });
  }
}

/**
 * Group normalization (Wu and He 2018) of [N, C], [N, C, L] or [N, C, H, W], the channels in `groups` groups;
 * 1 group normalizes whole samples. The same in training and evaluation. Parameters as in PyTorch.
 * @throws OptionError where groups do not divide the channels
 */
export const groupNorm = maker(GroupNorm);
