/** The fully connected layer. */
import * as ops from '../../ops';
import { bool, checkKeys, positiveInteger } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { kaimingUniform, uniform } from '../init/initializers';
import { parameter } from '../parameter';
import { replaceInitializer, type InitializerLike } from '../init/rules';
import { Module } from '../module';
import type { Channels } from '../typing';

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** What `weight` and `bias` are drawn by, or the name of it; default: as in PyTorch, kaimingUniform and uniform. */
  readonly weightInit?: InitializerLike;
  readonly biasInit?: InitializerLike;
}

/** y = x weight^T + bias: [..., In] to [..., Out]. */
export class Linear<In extends number = number, Out extends number = number> extends Module {
  static override readonly kind: string = 'linear';
  declare readonly channels?: Channels<In, Out>;
  readonly inFeatures: In;
  readonly outFeatures: Out;
  /** [Out, In] */
  readonly weight: Parameter;
  /** [Out] */
  readonly bias: Parameter | undefined;

  constructor(inFeatures: In, outFeatures: Out, options: LinearOptions = {}) {
    super();
    const where = 'nn.linear';
    checkKeys(where, options, ['bias', 'weightInit', 'biasInit']);
    positiveInteger(where, 'inFeatures', inFeatures);
    positiveInteger(where, 'outFeatures', outFeatures);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = parameter([outFeatures, inFeatures], kaimingUniform());
    const bound = 1 / Math.sqrt(inFeatures);
    this.bias = bool(where, 'bias', options.bias ?? true)
      ? parameter([outFeatures], uniform(-bound, bound))
      : undefined;
    replaceInitializer(where, 'weightInit', this.weight, options.weightInit);
    replaceInitializer(where, 'biasInit', this.bias, options.biasInit);
  }

  override forward(x: Tensor): Tensor {
    return ops.linear(x, this.weight, this.bias);
  }

  override config(): Json {
    return { inFeatures: this.inFeatures, outFeatures: this.outFeatures, bias: this.bias !== undefined };
  }
}

/** A fully connected layer with PyTorch's initial weights. @throws OptionError */
export function linear<const In extends number, const Out extends number>(
  inFeatures: In,
  outFeatures: Out,
  options: LinearOptions = {},
): Linear<In, Out> {
  return new Linear(inFeatures, outFeatures, options);
}
