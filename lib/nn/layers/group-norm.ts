/** Group normalization; the formula is in lib/ops/group-norm.ts. */
import { OptionError, ShapeError } from '../../errors';
import * as ops from '../../ops';
import { bool, checkKeys, positive, positiveInteger } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import { formatShape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { place } from './channel-norm';
import { constant } from '../init/initializers';
import { parameter } from '../parameter';
import { Module } from '../module';
import type { Channels } from '../typing';

export interface GroupNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are a weight and a bias per channel, ones and zeros at first. Default true. */
  readonly affine?: boolean;
}

/** Normalizes groups of channels of each sample by themselves. */
export class GroupNorm<C extends number = number> extends Module {
  static override readonly kind: string = 'groupNorm';
  declare readonly channels?: Channels<C, C>;
  readonly groups: number;
  readonly features: C;
  readonly eps: number;
  /** [C] */
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(groups: number, features: C, options: GroupNormOptions = {}) {
    super();
    const where = 'nn.groupNorm';
    checkKeys(where, options, ['eps', 'affine']);
    this.groups = positiveInteger(where, 'groups', groups);
    this.features = positiveInteger(where, 'features', features) as C;
    if (features % groups !== 0)
      throw new OptionError(`${where}: ${features} channels cannot be split in ${groups} groups`);
    this.eps = positive(where, 'eps', options.eps ?? 1e-5);
    const affine = bool(where, 'affine', options.affine ?? true);
    this.weight = affine ? parameter([features], constant(1)) : undefined;
    this.bias = affine ? parameter([features], constant(0)) : undefined;
  }

  override forward(x: Tensor): Tensor {
    if (x.rank < 2 || x.shape[1] !== this.features)
      throw new ShapeError(
        `${place('group_norm', this)}: expects x [N, ${this.features}, ...], got ${formatShape(x.shape)}`,
      );
    return ops.groupNorm(x, this.groups, { gamma: this.weight, beta: this.bias, eps: this.eps });
  }

  override config(): Json {
    const { groups, features, eps } = this;
    return { groups, features, eps, affine: this.weight !== undefined };
  }
}

/**
 * Group normalization (Wu and He 2018) of [N, C], [N, C, L] or [N, C, H, W], the channels in `groups` groups; 1 group normalizes whole
 * samples. The same in training and evaluation. Parameters as in PyTorch. @throws OptionError where groups do not divide the channels
 */
export function groupNorm<const C extends number>(
  groups: number,
  features: C,
  options: GroupNormOptions = {},
): GroupNorm<C> {
  return new GroupNorm(groups, features, options);
}
