import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as ops from '../../lib/ops';
import { numel, type Shape } from '../../lib/tensor/shape';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

/** What a norm is called with: x whose groups are constant, gamma and beta. */
type Norm = (x: Tensor, gamma: Tensor, beta: Tensor) => Tensor;

// Multiples of 0.1 are not float32 numbers: their sums round, and n of them divided by n are not
// what they were.
const constants = [0.1, 0.3, 0.7, 1.1, 1000.1, -3.3, 1e-20, 12345.678];

/** Values that differ only from one index of `axis` to the next. */
const alongAxis = (shape: Shape, axis: number): Float32Array => {
  const inner = numel(shape.slice(axis + 1));
  return Float32Array.from({ length: numel(shape) }, (_, i) => {
    const index = Math.floor(i / inner) % shape[axis]!;
    return constants[index % constants.length]!;
  });
};

interface Case {
  readonly norm: Norm;
  readonly shape: Shape;
  /** The axis along which constants differ, and that of gamma and beta. */
  readonly constant: number;
  readonly channel: number;
}

const batch: Norm = (x, gamma, beta) => ops.batchNormTrain(x, gamma, beta, 1e-5).y;
const channelNorm = (shape: Shape): Case => ({ norm: batch, shape, constant: 1, channel: 1 });

const cases: Record<string, Case> = {
  'batch norm of few rows': channelNorm([7, 5]),
  'batch norm of many rows': channelNorm([1001, 3]),
  'batch norm of images': channelNorm([5, 19, 7, 9]),
  'batch norm of many channels': channelNorm([3, 300, 5, 5]),
  'batch norm of large images': channelNorm([4, 8, 70, 71]),
  'instance norm': {
    norm: (x, gamma, beta) => ops.instanceNorm(x, { gamma, beta }),
    shape: [3, 19, 13, 11],
    constant: 1,
    channel: 1,
  },
  'group norm': {
    norm: (x, gamma, beta) => ops.groupNorm(x, 2, { gamma, beta }),
    shape: [6, 38, 13, 11],
    constant: 0,
    channel: 1,
  },
  'group norm of one position': {
    norm: (x, gamma, beta) => ops.groupNorm(x, 2, { gamma, beta }),
    shape: [6, 70],
    constant: 0,
    channel: 1,
  },
  'layer norm': {
    norm: (x, gamma, beta) => ops.layerNorm(x, [1003], { gamma, beta }),
    shape: [8, 1003],
    constant: 0,
    channel: 1,
  },
  'layer norm of one element': {
    norm: (x, gamma, beta) => ops.layerNorm(x, [1], { gamma, beta }),
    shape: [8, 1],
    constant: 0,
    channel: 1,
  },
};

const precisions = ['fp32', 'bf16'] as const;
const runs = Object.keys(cases).flatMap((name) => precisions.map((precision) => [name, precision] as const));

describe('a norm of constants', () => {
  it.each(runs)('%s in %s is beta, and the gradient of gamma is 0', async (name, precision) => {
    const { norm, shape, constant, channel } = cases[name]!;
    const channels = shape[channel]!;
    const beta = Float32Array.from({ length: channels }, (_, i) => (i % 7) / 4 - 0.75);
    const gamma = Float32Array.from({ length: channels }, (_, i) => 1 + (i % 5) / 10);
    const weights = Float32Array.from({ length: numel(shape) }, (_, i) => Math.sin(i));
    const run = compile(
      (x: Tensor, g: Tensor, b: Tensor, w: Tensor) => {
        const y = norm(x, g, b);
        return [y, ...grad(ops.sum(ops.mul(y, w)), [x, g])];
      },
      { precision },
    );
    const operands = [tensor(alongAxis(shape, constant), shape), tensor(gamma), tensor(beta)] as const;
    const [y, dx, dgamma] = await run(...operands, tensor(weights, shape));
    const inner = numel(shape.slice(channel + 1));
    const values = await y!.data();
    const other = values.findIndex((v, i) => v !== beta[Math.floor(i / inner) % channels]);
    expect([other, values[other]]).toEqual([-1, undefined]);
    expect((await dgamma!.data()).every((v) => v === 0)).toBe(true);
    expect((await dx!.data()).every(Number.isFinite)).toBe(true);
  });

  it.each([[[5, 3, 3, 3]], [[8, 70, 1, 1]], [[3, 40, 7, 7]]])(
    'weight standardization of %j is 0',
    async (shape) => {
      const y = ops.standardizeWeights(tensor(alongAxis(shape, 0), shape));
      expect((await y.data()).every((v) => v === 0)).toBe(true);
    },
  );

  it.each([
    ['weight standardization', [8, 1, 1, 1], (x: Tensor) => ops.standardizeWeights(x)],
    ['layer norm', [8, 1], (x: Tensor, gamma: Tensor) => ops.layerNorm(x, [1], { gamma })],
    [
      'group norm',
      [3, 8],
      (x: Tensor, gamma: Tensor) => ops.groupNorm(x, 8, { gamma: ops.broadcastTo(gamma, [8]) }),
    ],
  ] as const)('%s over one element has a gradient of exactly 0', async (_name, shape, norm) => {
    const run = compile((x: Tensor, gamma: Tensor, w: Tensor) =>
      grad(ops.sum(ops.mul(norm(x, gamma), w)), [x]),
    );
    const weights = Float32Array.from({ length: numel(shape) }, (_, i) => Math.sin(i + 1));
    const [dx] = await run(
      tensor(alongAxis(shape, shape.length > 2 ? 0 : 1), shape),
      tensor(new Float32Array([1.3])),
      tensor(weights, shape),
    );
    expect((await dx!.data()).every((v) => v === 0)).toBe(true);
  });
});
