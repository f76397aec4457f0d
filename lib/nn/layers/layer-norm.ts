/** Layer normalization; the formula is in lib/ops/group-norm.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { bool, checkKeys, positive, positiveInteger, show } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import { type Shape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { constant } from '../init/initializers';
import { parameter } from '../parameter';
import { Module } from '../module';
import type { PassThrough } from '../typing';

export interface LayerNormOptions {
  /** Added to the variance, above 0. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are a weight and a bias per element, ones and zeros at first. Default true. */
  readonly elementwiseAffine?: boolean;
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

/**
 * Layer normalization (Ba, Kiros, Hinton 2016) over the last axes, which must be `normalizedShape`: 512 for [N, T, 512], [C, H, W] for
 * images. The same in training and evaluation. Parameters `weight` and `bias` of that shape, as in PyTorch. @throws OptionError
 */
export function layerNorm(normalizedShape: number | Shape, options: LayerNormOptions = {}): LayerNorm {
  return new LayerNorm(normalizedShape, options);
}
