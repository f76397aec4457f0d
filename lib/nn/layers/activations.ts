/** Activation layers. The formulas are in lib/ops: unary.ts, activations.ts and softmax.ts. */
import { OptionError } from '../../errors';
import * as ops from '../../ops';
import { checkKeys, finite, oneOf, positiveInteger, show } from '../../options';
import type { Parameter } from '../../tensor/parameter';
import type { Tensor } from '../../tensor/tensor';
import type { Json } from '../files/architecture';
import { constant } from '../init/initializers';
import { parameter } from '../parameter';
import { Module } from '../module';
import type { PassThrough } from '../typing';
import { withoutOptions } from './without-options';

/** A layer without settings that works element by element. */
function pointwise(kind: string, name: string, fn: (x: Tensor) => Tensor): () => Activation {
  const layer = class extends Activation {
    static override readonly kind: string = kind;
    override forward(x: Tensor): Tensor {
      return fn(x);
    }
  };
  // summary() shows the class's name.
  Object.defineProperty(layer, 'name', { value: name });
  return withoutOptions(`nn.${kind}`, () => new layer());
}

/** The base of layers that leave shapes as they are. */
export abstract class Activation extends Module {
  declare readonly channels?: PassThrough;
  abstract override forward(x: Tensor): Tensor;
}

/** max(x, 0) */
export const relu = pointwise('relu', 'ReLU', ops.relu);
/** min(max(x, 0), 6) */
export const relu6 = pointwise('relu6', 'ReLU6', ops.relu6);
/** x sigmoid(x) */
export const silu = pointwise('silu', 'SiLU', ops.silu);
/** Hyperbolic tangent. */
export const tanh = pointwise('tanh', 'Tanh', ops.tanh);
/** 1 / (1 + e^-x) */
export const sigmoid = pointwise('sigmoid', 'Sigmoid', ops.sigmoid);

export class LeakyReLU extends Activation {
  static override readonly kind: string = 'leakyRelu';
  readonly slope: number;

  constructor(options: { readonly slope?: number } = {}) {
    super();
    checkKeys('nn.leakyRelu', options, ['slope']);
    this.slope = finite('nn.leakyRelu', 'slope', options.slope ?? 0.01);
  }

  override forward(x: Tensor): Tensor {
    return ops.leakyRelu(x, this.slope);
  }

  override config(): Json {
    return { slope: this.slope };
  }
}

/** x for x > 0, otherwise slope x; slope defaults to 0.01. @throws OptionError */
export function leakyRelu(options: { readonly slope?: number } = {}): LeakyReLU {
  return new LeakyReLU(options);
}

export class ELU extends Activation {
  static override readonly kind: string = 'elu';
  readonly alpha: number;

  constructor(options: { readonly alpha?: number } = {}) {
    super();
    checkKeys('nn.elu', options, ['alpha']);
    this.alpha = finite('nn.elu', 'alpha', options.alpha ?? 1);
  }

  override forward(x: Tensor): Tensor {
    return ops.elu(x, this.alpha);
  }

  override config(): Json {
    return { alpha: this.alpha };
  }
}

/** x for x > 0, otherwise alpha (e^x - 1); alpha defaults to 1. @throws OptionError */
export function elu(options: { readonly alpha?: number } = {}): ELU {
  return new ELU(options);
}

/** log(1 + e^x), PyTorch's Softplus with beta 1. */
export const softplus = pointwise('softplus', 'Softplus', ops.softplus);
/** x tanh(log(1 + e^x)) */
export const mish = pointwise('mish', 'Mish', ops.mish);
/** elu with the alpha and scale of self-normalizing networks. */
export const selu = pointwise('selu', 'SELU', ops.selu);
/** log sigmoid(x) */
export const logSigmoid = pointwise('logSigmoid', 'LogSigmoid', ops.logSigmoid);
/** x / (1 + |x|) */
export const softsign = pointwise('softsign', 'Softsign', ops.softsign);
/** min(max(x + 3, 0), 6) / 6 */
export const hardSigmoid = pointwise('hardSigmoid', 'Hardsigmoid', ops.hardSigmoid);
/** x min(max(x + 3, 0), 6) / 6 */
export const hardSwish = pointwise('hardSwish', 'Hardswish', ops.hardSwish);

export class GELU extends Activation {
  static override readonly kind: string = 'gelu';
  readonly approximate: 'none' | 'tanh';

  constructor(options: { readonly approximate?: 'none' | 'tanh' } = {}) {
    super();
    checkKeys('nn.gelu', options, ['approximate']);
    const forms = ['none', 'tanh'] as const;
    this.approximate = oneOf('nn.gelu', 'approximate', options.approximate ?? 'none', forms);
  }

  override forward(x: Tensor): Tensor {
    return this.approximate === 'tanh' ? ops.geluTanh(x) : ops.gelu(x);
  }

  override config(): Json {
    return this.approximate === 'tanh' ? { approximate: 'tanh' } : {};
  }
}

/** x Phi(x), by default exact; approximate 'tanh' is the form with tanh. @throws OptionError */
export function gelu(options: { readonly approximate?: 'none' | 'tanh' } = {}): GELU {
  return new GELU(options);
}

export interface HardTanhOptions {
  /** Default -1. */
  readonly low?: number;
  /** Default 1. */
  readonly high?: number;
}

export class HardTanh extends Activation {
  static override readonly kind: string = 'hardTanh';
  readonly low: number;
  readonly high: number;

  constructor(options: HardTanhOptions = {}) {
    super();
    const where = 'nn.hardTanh';
    checkKeys(where, options, ['low', 'high']);
    this.low = finite(where, 'low', options.low ?? -1);
    this.high = finite(where, 'high', options.high ?? 1);
    if (this.low >= this.high)
      throw new OptionError(`${where}: low must be below high, got ${this.low} and ${this.high}`);
  }

  override forward(x: Tensor): Tensor {
    return ops.hardTanh(x, this.low, this.high);
  }

  override config(): Json {
    return { low: this.low, high: this.high };
  }
}

/** min(max(x, low), high), low and high by default -1 and 1. @throws OptionError */
export function hardTanh(options: HardTanhOptions = {}): HardTanh {
  return new HardTanh(options);
}

export interface PReLUOptions {
  /** 1, or the number of channels (axis 1): a slope for each. Default 1. */
  readonly features?: number;
  /** Slope at first. Default 0.25. */
  readonly initial?: number;
}

/** A leaky relu whose slope is learned. Weight decay pulls it towards relu. */
export class PReLU extends Activation {
  static override readonly kind: string = 'prelu';
  readonly features: number;
  readonly initial: number;
  /** [features] */
  readonly weight: Parameter;

  constructor(options: PReLUOptions = {}) {
    super();
    checkKeys('nn.prelu', options, ['features', 'initial']);
    this.features = positiveInteger('nn.prelu', 'features', options.features ?? 1);
    this.initial = finite('nn.prelu', 'initial', options.initial ?? 0.25);
    this.weight = parameter([this.features], constant(this.initial));
  }

  override forward(x: Tensor): Tensor {
    return ops.prelu(x, this.weight);
  }

  override config(): Json {
    return { features: this.features, initial: this.initial };
  }
}

/** x for x > 0, otherwise weight x, the weight learned (He et al. 2015). Parameter: weight. @throws OptionError */
export function prelu(options: PReLUOptions = {}): PReLU {
  return new PReLU(options);
}

export interface SoftmaxOptions {
  /** Default: 1 for batches of any rank. */
  readonly axis?: number;
}

function axisOf(where: string, { axis }: SoftmaxOptions): number | undefined {
  if (axis === undefined || Number.isSafeInteger(axis)) return axis;
  throw new OptionError(`${where}: axis must be a whole number, got ${show(axis)}`);
}

export class Softmax extends Activation {
  static override readonly kind: string = 'softmax';
  readonly axis: number | undefined;

  constructor(options: SoftmaxOptions = {}) {
    super();
    checkKeys('nn.softmax', options, ['axis']);
    this.axis = axisOf('nn.softmax', options);
  }

  override forward(x: Tensor): Tensor {
    return ops.softmax(x, this.axis);
  }

  override config(): Json {
    return this.axis === undefined ? {} : { axis: this.axis };
  }
}

export class LogSoftmax extends Activation {
  static override readonly kind: string = 'logSoftmax';
  readonly axis: number | undefined;

  constructor(options: SoftmaxOptions = {}) {
    super();
    checkKeys('nn.logSoftmax', options, ['axis']);
    this.axis = axisOf('nn.logSoftmax', options);
  }

  override forward(x: Tensor): Tensor {
    return ops.logSoftmax(x, this.axis);
  }

  override config(): Json {
    return this.axis === undefined ? {} : { axis: this.axis };
  }
}

/** e^x / sum e^x along `axis`, by default 1. @throws OptionError */
export function softmax(options: SoftmaxOptions = {}): Softmax {
  return new Softmax(options);
}

/** log softmax(x) along `axis`, by default 1. @throws OptionError */
export function logSoftmax(options: SoftmaxOptions = {}): LogSoftmax {
  return new LogSoftmax(options);
}
