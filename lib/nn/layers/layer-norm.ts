/** Layer normalization; the formula is in lib/ops/group-norm.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { positiveInteger, show } from '../../options';
import { bool, declareSettings, kind, type OptionsOf } from '../../settings';
import type { Parameter } from '../../tensor/parameter';
import type { Shape } from '../../tensor/shape';
import type { Tensor } from '../../tensor/tensor';
import { constant } from '../init/initializers';
import { maker, withArguments } from '../layer';
import { parameter } from '../parameter';
import type { PassThrough } from '../typing';
import { eps } from './channel-norm';

const axes = kind<Shape, number | Shape>({
  check: (where, name, value) => {
    const shape: unknown = typeof value === 'number' ? [value] : value;
    if (!Array.isArray(shape) || shape.length === 0)
      throw new OptionError(`${where}: ${name} must be a number or an array, got ${show(shape)}`);
    return shape.map((d) => positiveInteger(where, name, d));
  },
  domain: { type: 'list', of: { type: 'integer', minimum: 1 } },
});

const args = declareSettings({ normalizedShape: axes('Sizes of the last axes of the input.') });

const settings = declareSettings({
  eps,
  elementwiseAffine: bool('Whether there are a weight and a bias per element, ones and zeros at first.', {
    default: true,
  }),
});

export type LayerNormOptions = OptionsOf<typeof settings>;

/** Normalizes the last axes of its input by themselves. */
export class LayerNorm extends withArguments(args, settings) {
  static override readonly kind: string = 'layerNorm';
  declare readonly channels?: PassThrough;
  /** Both have the normalized shape. */
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super({ normalizedShape }, options);
    const affine = this.elementwiseAffine;
    this.weight = affine ? parameter(this.normalizedShape, constant(1)) : undefined;
    this.bias = affine ? parameter(this.normalizedShape, constant(0)) : undefined;
    for (const p of [this.weight, this.bias]) if (p !== undefined) p.ofNormalization = true;
  }

  override forward(x: Tensor): Tensor {
    return ops.layerNorm(x, this.normalizedShape, { gamma: this.weight, beta: this.bias, eps: this.eps });
  }
}

/**
 * Layer normalization (Ba, Kiros, Hinton 2016) over the last axes, which must be `normalizedShape`: 512 for
 * [N, T, 512], [C, H, W] for images. The same in training and evaluation. Parameters `weight` and `bias` of
 * that shape, as in PyTorch.
 * @throws OptionError
 */
export const layerNorm = maker(LayerNorm);
