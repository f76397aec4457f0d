/**
 * Tensors that ops make without inputs: constants, random numbers, and runtime scalars as ordinary tensors.
 */
import { applyOp, first, type OpRecord } from '../graph/op';
import { OptionError } from '../errors';
import { finite, nonNegativeInteger, oneOf, show } from '../options';
import { streamKey } from '../random';
import type { DType } from '../tensor/dtype';
import { checkShape, type Shape } from '../tensor/shape';
import type { Tensor } from '../tensor/tensor';
import { checkScalar } from './checks';

const fillOp: OpRecord<{ shape: Shape; value: number; dtype: DType }> = {
  name: 'fill',
  bf16: 'f32',
  infer: (_, { shape, dtype }) => [{ shape, dtype }],
  lower: (l, { value }) => l.call('fill', [], l.outputs, { value }),
};

/**
 * A tensor filled with one value. The program makes it; it has no memory of its own (compare `zeros`).
 */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  checkShape('full', shape);
  oneOf('full', 'dtype', dtype, ['f32', 'f64', 'i32', 'u8']);
  return first(applyOp(fillOp, [], { shape: [...shape], value: finite('full', 'value', value), dtype }));
}

/** A constant of ones, f32. */
export function ones(shape: Shape): Tensor {
  return full(shape, 1);
}

const fromScalarOp: OpRecord<null> = {
  name: 'from_scalar',
  bf16: 'f32',
  infer: ([v]) => {
    checkScalar('from_scalar', 'value', v!);
    return [{ shape: [], dtype: 'f32' }];
  },
  lower: (l) => l.call('from_scalar', l.inputs, l.outputs),
};

/** A runtime scalar as an f32 tensor of rank 0, which can be multiplied with others. */
export function fromScalar(value: Tensor): Tensor {
  return first(applyOp(fromScalarOp, [value], null));
}

interface RandomAttrs {
  readonly shape: Shape;
  readonly key: readonly [number, number];
  /** The distribution's low and high, or its mean and std. */
  readonly numbers: Readonly<Record<string, number>>;
}

function randomOp(name: string): OpRecord<RandomAttrs> {
  return {
    name,
    bf16: 'f32',
    infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
    lower: (l, { key, numbers }) => l.call(name, [], l.outputs, { key, ...numbers }),
  };
}

const uniformOp = randomOp('random_uniform');
const normalOp = randomOp('random_normal');

function checkDraw(where: string, shape: Shape, seed: number, stream: string): void {
  checkShape(where, shape);
  nonNegativeInteger(where, 'seed', seed);
  if (typeof stream !== 'string')
    throw new OptionError(`${where}: stream must be a string, got ${show(stream)}`);
}

/**
 * Uniform random numbers in [low, high). They are a function of seed, stream name and position in memory.
 */
export function randomUniform(shape: Shape, seed: number, stream: string, low = 0, high = 1): Tensor {
  checkDraw('randomUniform', shape, seed, stream);
  const numbers = { low: finite('randomUniform', 'low', low), high: finite('randomUniform', 'high', high) };
  return first(applyOp(uniformOp, [], { shape: [...shape], key: streamKey(seed, stream), numbers }));
}

/** Normal random numbers. They are a function of seed, stream name and position in memory. */
export function randomNormal(shape: Shape, seed: number, stream: string, mean = 0, std = 1): Tensor {
  checkDraw('randomNormal', shape, seed, stream);
  const numbers = { mean: finite('randomNormal', 'mean', mean), std: finite('randomNormal', 'std', std) };
  return first(applyOp(normalOp, [], { shape: [...shape], key: streamKey(seed, stream), numbers }));
}
