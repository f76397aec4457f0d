/**
 * Initial weights: recipes over the random stream (seed, parameter name), so that they do not depend on the
 * order of creation.
 */
import { ShapeError } from '../../errors';
import * as ops from '../../ops';
import { checkKeys, finite, nonNegative, oneOf, positive } from '../../options';
import type { Initializer } from '../../tensor/parameter';
import { checkShape, formatShape, numel, type Shape } from '../../tensor/shape';

/** Inputs of one output: everything but the first axis, kH kW C / groups of a convolution; as in PyTorch. */
export function fanIn(shape: Shape): number {
  checkShape('fan-in', shape);
  if (shape.length < 2)
    throw new ShapeError(`fan-in needs a weight of rank 2 or more, got ${formatShape(shape)}`);
  return numel(shape.slice(1));
}

/**
 * Outputs of one input: everything but the second axis, kH kW O of a convolution (of all its groups);
 * as in PyTorch.
 */
export function fanOut(shape: Shape): number {
  checkShape('fan-out', shape);
  if (shape.length < 2)
    throw new ShapeError(`fan-out needs a weight of rank 2 or more, got ${formatShape(shape)}`);
  return shape[0]! * numel(shape.slice(2));
}

const fanModes = ['fanIn', 'fanOut', 'fanAverage'] as const;

/** Which number of connections decides the scale; `fanAverage` is (fanIn + fanOut) / 2. */
export type FanMode = (typeof fanModes)[number];

function fan(shape: Shape, mode: FanMode): number {
  const average = (): number => (fanIn(shape) + fanOut(shape)) / 2;
  const n = mode === 'fanIn' ? fanIn(shape) : mode === 'fanOut' ? fanOut(shape) : average();
  return Math.max(1, n);
}

/** Every element `value`. */
export function constant(value: number): Initializer {
  finite('init.constant', 'value', value);
  return (shape) => ops.full(shape, value);
}

/** Every element 0. All units of a layer then stay alike, which is right for biases and wrong for weights. */
export function zeros(): Initializer {
  return constant(0);
}

/** Every element 1. */
export function ones(): Initializer {
  return constant(1);
}

/** Uniform in [low, high). */
export function uniform(low: number, high: number): Initializer {
  finite('init.uniform', 'low', low);
  finite('init.uniform', 'high', high);
  return (shape, seed, name) => ops.randomUniform(shape, seed, name, low, high);
}

/** Normal. */
export function normal(mean = 0, std = 1): Initializer {
  finite('init.normal', 'mean', mean);
  nonNegative('init.normal', 'std', std);
  return (shape, seed, name) => ops.randomNormal(shape, seed, name, mean, std);
}

/** Uniform with variance 2 / scale(shape). */
function uniformOf(scale: (shape: Shape) => number): Initializer {
  return (shape, seed, name) => {
    const bound = Math.sqrt(6 / scale(shape));
    return ops.randomUniform(shape, seed, name, -bound, bound);
  };
}

/** Normal with variance 2 / scale(shape). */
function normalOf(scale: (shape: Shape) => number): Initializer {
  return (shape, seed, name) => ops.randomNormal(shape, seed, name, 0, Math.sqrt(2 / scale(shape)));
}

export interface XavierOptions {
  /** Multiplies the deviation, above 0. Default 1. */
  readonly gain?: number;
  /**
   * Default `fanAverage`, as in PyTorch and the paper; `fanIn` gives the common short form 1 / sqrt(fanIn).
   */
  readonly mode?: FanMode;
}

function xavier(where: string, options: XavierOptions): (shape: Shape) => number {
  checkKeys(where, options, ['gain', 'mode']);
  const gain = positive(where, 'gain', options.gain ?? 1);
  const mode = oneOf(where, 'mode', options.mode ?? 'fanAverage', fanModes);
  return (shape) => (2 * fan(shape, mode)) / (gain * gain);
}

/** Normal with deviation gain / sqrt(fan) (Glorot & Bengio 2010, for tanh). @throws OptionError */
export function xavierNormal(options: XavierOptions = {}): Initializer {
  return normalOf(xavier('init.xavierNormal', options));
}

/** Uniform within +-gain sqrt(3 / fan): the deviation of `xavierNormal`. @throws OptionError */
export function xavierUniform(options: XavierOptions = {}): Initializer {
  return uniformOf(xavier('init.xavierUniform', options));
}

export interface KaimingOptions {
  /** Default `fanIn`, which keeps the variance of activations; `fanOut` keeps that of gradients. */
  readonly mode?: FanMode;
}

function kaiming(where: string, a: number, options: KaimingOptions): (shape: Shape) => number {
  checkKeys(where, options, ['mode']);
  finite(where, 'a', a);
  const mode = oneOf(where, 'mode', options.mode ?? 'fanIn', fanModes);
  return (shape) => (1 + a * a) * fan(shape, mode);
}

/**
 * Uniform within +-sqrt(6 / ((1 + a^2) fan)) (He et al. 2015, for leaky ReLU of slope a). The default
 * a = sqrt 5, PyTorch's for convolution and linear layers, gives +-1/sqrt(fanIn); `heUniform` is the
 * one for ReLU.
 * @throws OptionError
 */
export function kaimingUniform(a = Math.sqrt(5), options: KaimingOptions = {}): Initializer {
  return uniformOf(kaiming('init.kaimingUniform', a, options));
}

/**
 * Normal with deviation sqrt(2 / ((1 + a^2) fan)) (He et al. 2015, for a leaky ReLU of slope a; the default 0
 * is ReLU).
 * @throws OptionError
 */
export function kaimingNormal(a = 0, options: KaimingOptions = {}): Initializer {
  return normalOf(kaiming('init.kaimingNormal', a, options));
}

/**
 * Uniform within +-sqrt(6 / fan): the deviation sqrt(2 / fan) that He et al. 2015 derive for ReLU.
 * @throws OptionError
 */
export function heUniform(options: KaimingOptions = {}): Initializer {
  return uniformOf(kaiming('init.heUniform', 0, options));
}

/** Normal with deviation sqrt(2 / fan) (He et al. 2015, for ReLU). @throws OptionError */
export function heNormal(options: KaimingOptions = {}): Initializer {
  return normalOf(kaiming('init.heNormal', 0, options));
}

export interface RandomWalkOptions {
  /** What follows the layer. Default 'relu'. */
  readonly activation?: 'relu' | 'linear';
}

/**
 * Normal with deviation g / sqrt(fanIn) (Sussillo & Abbott 2014): g is such that the logarithm of a
 * gradient's norm, a random walk over the layers, has no drift. For layers of width N = fanIn g = exp(1 / 2N)
 * without an activation and sqrt(2) exp(1.2 / (max(N, 6) - 2.4)) before ReLU.
 * @throws OptionError
 */
export function randomWalk(options: RandomWalkOptions = {}): Initializer {
  const where = 'init.randomWalk';
  checkKeys(where, options, ['activation']);
  const activation = oneOf(where, 'activation', options.activation ?? 'relu', ['relu', 'linear']);
  return normalOf((shape) => {
    const n = fan(shape, 'fanIn');
    const relu = Math.SQRT2 * Math.exp(1.2 / (Math.max(n, 6) - 2.4));
    const g = activation === 'relu' ? relu : Math.exp(1 / (2 * n));
    return (2 * n) / (g * g);
  });
}
