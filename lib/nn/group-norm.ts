/** Layer, group and instance normalization; the formulas are in lib/ops/group-norm.ts. */
import { OptionError, ShapeError } from '../errors';
import * as ops from '../ops';
import { bool, checkKeys, positive, positiveInteger, show } from '../options';
import type { Parameter } from '../tensor/parameter';
import { formatShape, numel, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import type { Json } from './architecture';
import { ChannelNorm, place } from './channel-norm';
import { constant, parameter } from './init';
import { Module } from './module';
import type { Channels, PassThrough } from './typing';

export interface LayerNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are a weight and a bias per element, ones and zeros at first. Default true. */
  readonly elementwiseAffine?: boolean;
}

export interface GroupNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are a weight and a bias per channel, ones and zeros at first. Default true. */
  readonly affine?: boolean;
}

export interface InstanceNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Share of the newest batch in the running statistics, from 0 to 1. Default 0.1. */
  readonly momentum?: number;
  /** Whether there are a weight and a bias per channel, ones and zeros at first. Default false. */
  readonly affine?: boolean;
  /** Whether evaluation normalizes by running statistics, as batch norm does. Default false. */
  readonly trackRunningStats?: boolean;
}

/** Normalizes the last axes of its input by themselves. */
export class LayerNorm extends Module {
  static override readonly kind: string = 'layerNorm';
  declare readonly channels?: PassThrough;
  readonly normalizedShape: Shape;
  readonly eps: number;
  /** Of the normalized shape. */
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const where = 'nn.layerNorm';
    checkKeys(where, options, ['eps', 'elementwiseAffine']);
    const shape: unknown = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
    if (!Array.isArray(shape) || shape.length === 0)
      throw new OptionError(`${where}: normalizedShape must be a number or an array, got ${show(shape)}`);
    this.normalizedShape = shape.map((d) => positiveInteger(where, 'normalizedShape', d));
    this.eps = positive(where, 'eps', options.eps ?? 1e-5);
    const affine = bool(where, 'elementwiseAffine', options.elementwiseAffine ?? true);
    this.weight = affine ? parameter(this.normalizedShape, constant(1)) : undefined;
    this.bias = affine ? parameter(this.normalizedShape, constant(0)) : undefined;
    for (const p of [this.weight, this.bias]) if (p !== undefined) p.ofNormalization = true;
  }

  override forward(x: Tensor): Tensor {
    return ops.layerNorm(x, this.normalizedShape, { gamma: this.weight, beta: this.bias, eps: this.eps });
  }

  override config(): Json {
    const { normalizedShape, eps } = this;
    return { normalizedShape, eps, elementwiseAffine: this.weight !== undefined };
  }
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
 * Normalizes each channel of each sample by itself; with running statistics, evaluation normalizes by those. They are the means over the
 * batch of each sample's, and move in compiled training steps only.
 */
abstract class InstanceNorm<C extends number> extends ChannelNorm<C> {
  constructor(where: string, features: C, options: InstanceNormOptions) {
    super(where, features, options, { affine: false, tracked: false });
  }

  override forward(x: Tensor): Tensor {
    this.checkInput('instance_norm', x);
    const { weight, bias, eps } = this;
    if (this.runningMean !== undefined && this.runningVar !== undefined && !this.training) {
      const image = x.rank === 3 ? ops.reshape(x, [...x.shape, 1]) : x;
      const y = ops.batchNormEval(image, this.gamma(), this.beta(), this.runningMean, this.runningVar, eps);
      return ops.reshape(y, x.shape);
    }
    const { y, mean, variance } = ops.instanceNormStatistics(x, { gamma: weight, beta: bias, eps });
    this.track(numel(x.shape.slice(2)), () => [ops.mean(mean, { axes: 0 }), ops.mean(variance, { axes: 0 })]);
    return y;
  }
}

/** Of [N, C, L]. */
export class InstanceNorm1d<C extends number = number> extends InstanceNorm<C> {
  static override readonly kind: string = 'instanceNorm1d';
  protected readonly rank = 3;

  constructor(features: C, options: InstanceNormOptions = {}) {
    super('nn.instanceNorm1d', features, options);
  }
}

/** Of [N, C, H, W]. */
export class InstanceNorm2d<C extends number = number> extends InstanceNorm<C> {
  static override readonly kind: string = 'instanceNorm2d';
  protected readonly rank = 4;

  constructor(features: C, options: InstanceNormOptions = {}) {
    super('nn.instanceNorm2d', features, options);
  }
}

/**
 * Layer normalization (Ba, Kiros, Hinton 2016) over the last axes, which must be `normalizedShape`: 512 for [N, T, 512], [C, H, W] for
 * images. The same in training and evaluation. Parameters `weight` and `bias` of that shape, as in PyTorch. @throws OptionError
 */
export function layerNorm(normalizedShape: number | Shape, options: LayerNormOptions = {}): LayerNorm {
  return new LayerNorm(normalizedShape, options);
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

/**
 * Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016) of [N, C, L]. Parameters and buffers as in PyTorch, without
 * num_batches_tracked. @throws OptionError; forward(): ShapeError where L is 1
 */
export function instanceNorm1d<const C extends number>(
  features: C,
  options: InstanceNormOptions = {},
): InstanceNorm1d<C> {
  return new InstanceNorm1d(features, options);
}

/**
 * Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016) of [N, C, H, W]. Parameters and buffers as in PyTorch, without
 * num_batches_tracked. @throws OptionError; forward(): ShapeError where H W is 1
 */
export function instanceNorm2d<const C extends number>(
  features: C,
  options: InstanceNormOptions = {},
): InstanceNorm2d<C> {
  return new InstanceNorm2d(features, options);
}
