import { ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { assign } from '../../lib/graph/trace';
import * as ops from '../../lib/ops';
import { persistent, runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { withTarget } from '../../lib/tensor/target';
import { expectClose, numbers, testOp, type Numbers, type OpCase } from './support';

const eps = 1e-3;

/** Channel of a logical element of [N, C] or [N, C, H, W]. */
function channelOf(shape: readonly number[]): (i: number) => number {
  const plane = shape.slice(2).reduce((n, d) => n * d, 1);
  return (i) => Math.floor(i / plane) % shape[1]!;
}

function statistics(x: Numbers, shape: readonly number[]): { mean: Float64Array; variance: Float64Array } {
  const channel = channelOf(shape);
  const [mean, variance] = [new Float64Array(shape[1]!), new Float64Array(shape[1]!)];
  const count = x.length / shape[1]!;
  x.forEach((v, i) => (mean[channel(i)]! += v / count));
  x.forEach((v, i) => (variance[channel(i)]! += (v - mean[channel(i)]!) ** 2 / count));
  return { mean, variance };
}

function normalized(
  x: Numbers,
  shape: readonly number[],
  gamma: Numbers,
  beta: Numbers,
  mean: Numbers,
  variance: Numbers,
): Numbers {
  const channel = channelOf(shape);
  return x.map((v, i) => {
    const c = channel(i);
    return ((v - mean[c]!) / Math.sqrt(variance[c]! + eps)) * gamma[c]! + beta[c]!;
  });
}

const shapes = [
  [6, 3],
  [4, 5, 3, 2],
  [2, 16, 4, 4],
  [3, 37, 2, 2],
];

function trainCase(
  shape: readonly number[],
  wrap: (y: Tensor, r: Tensor) => Tensor,
  f: (y: number, r: number) => number,
): OpCase {
  const channels = shape[1]!;
  return {
    args: [{ shape }, { shape: [channels] }, { shape: [channels] }, { shape, values: numbers(shape, 31) }],
    fn: (x, gamma, beta, r) => wrap(ops.batchNormTrain(x, gamma, beta, eps).y, r),
    reference: (x, gamma, beta, r) => {
      const { mean, variance } = statistics(x, shape);
      return normalized(x, shape, gamma, beta, mean, variance).map((y, i) => f(y, r[i]!));
    },
  };
}

const relu = (y: number): number => Math.max(y, 0);

for (const shape of shapes) {
  testOp(`batchNormTrain [${shape}]`, {
    // The residual takes part in each, so that every argument has a gradient.
    plain: trainCase(
      shape,
      (y, r) => ops.mul(y, r),
      (y, r) => y * r,
    ),
    'relu (fused)': trainCase(
      shape,
      (y, r) => ops.mul(ops.relu(y), r),
      (y, r) => relu(y) * r,
    ),
    'residual and relu (fused)': trainCase(
      shape,
      (y, r) => ops.relu(ops.add(y, r)),
      (y, r) => relu(y + r),
    ),
  });
  testOp(`batchNormEval [${shape}]`, {
    'residual and relu (fused)': {
      args: [
        { shape },
        { shape: [shape[1]!] },
        { shape: [shape[1]!] },
        { shape, values: numbers(shape, 31) },
      ],
      fn: (x, gamma, beta, r) => {
        const mean = tensor(numbers([shape[1]!], 5));
        const variance = tensor(numbers([shape[1]!], 6).map((v) => 1.5 + v));
        return ops.relu(ops.add(ops.batchNormEval(x, gamma, beta, mean, variance, eps), r));
      },
      reference: (x, gamma, beta, r) => {
        const c = shape[1]!;
        const f32 = (v: Numbers): Numbers => v;
        const y = normalized(
          x,
          shape,
          gamma,
          beta,
          f32(numbers([c], 5)),
          f32(numbers([c], 6).map((v) => 1.5 + v)),
        );
        return y.map((v, i) => relu(v + r[i]!));
      },
    },
  });
}

describe('batch norm', () => {
  it('keeps its digits at mean / std = 100', () => {
    const shape = [8, 20, 6, 6];
    const x = Float32Array.from(numbers(shape), (v) => 100 + v);
    const run = (): ArrayLike<number> =>
      compile(
        (t: Tensor) =>
          ops.batchNormTrain(t, tensor(new Float32Array(20).fill(1)), tensor(new Float32Array(20))).y,
      )
        .runSync(tensor(x, shape))
        .dataSync();
    expectClose(run(), withTarget('ref', run), 5e-5, 'normalized values');
  });

  it('moves the running statistics as PyTorch: unbiased variance', async () => {
    const running = [persistent([0, 1]), persistent([1, 1])] as const;
    let momentum = 0.1;
    const scalar = runtimeScalar(() => momentum);
    const step = compile((x: Tensor) => {
      const { mean, variance } = ops.batchNormTrain(x, tensor([1, 1]), tensor([0, 0]));
      const [m, v] = ops.batchNormRunning(running, [mean, variance], scalar, 4);
      assign(running[0], m);
      assign(running[1], v);
      return [mean, variance];
    });
    const x = tensor([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
    const [mean, variance] = await step(x);
    expect(Array.from(await mean!.data())).toEqual([4, 5]);
    expect(Array.from(await variance!.data())).toEqual([5, 5]);
    expectClose(await running[0].data(), [0.4, 1.4], 1e-6, 'mean');
    expectClose(await running[1].data(), [0.9 + 0.1 * (20 / 3), 0.9 + 0.1 * (20 / 3)], 1e-6, 'variance');
    momentum = 1;
    await step(x);
    expectClose(await running[0].data(), [4, 5], 1e-6, 'mean after momentum 1');
  });

  it('gives the same bits fused and unfused', () => {
    const shape = [4, 20, 5, 5];
    const args = [numbers(shape), numbers([20], 2), numbers([20], 3), numbers(shape, 4)].map((v, i) =>
      tensor(v, i === 0 || i === 3 ? shape : [20]),
    );
    const all = (fuse: boolean): string => {
      const fn = compile(
        (x: Tensor, g: Tensor, b: Tensor, r: Tensor) => {
          const y = ops.relu(ops.add(ops.batchNormTrain(x, g, b).y, r));
          return [y, ...grad(ops.sum(ops.mul(y, ops.sigmoid(y))), [x, g, b, r])];
        },
        { fuse },
      );
      const kernels = fn
        .prepare(...(args as [Tensor, Tensor, Tensor, Tensor]))
        .lowered.calls.map((c) => c.kernel);
      expect(kernels.includes('relu')).toBe(!fuse);
      return fn
        .runSync(...(args as [Tensor, Tensor, Tensor, Tensor]))
        .map((t) => Buffer.from(t.dataSync().buffer).toString('base64'))
        .join();
    };
    expect(all(true)).toBe(all(false));
  });

  it.each(['fp32', 'bf16'] as const)(
    'adds the gradients of a residual block as it reads them (%s)',
    (precision) => {
      const shape = [4, 20, 5, 5];
      const filters = [20, 20, 1, 1];
      const args = [
        tensor(numbers(shape), shape),
        ...[2, 3].map((seed) => tensor(numbers([20], seed), [20])),
        ...[4, 5].map((seed) => tensor(numbers(filters, seed), filters)),
      ] as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const all = (fuse: boolean): [adding: number, bits: string] => {
        const fn = compile(
          (x: Tensor, g: Tensor, b: Tensor, first: Tensor, second: Tensor) => {
            const norm = (t: Tensor): Tensor => ops.batchNormTrain(t, g, b).y;
            const u = ops.relu(norm(ops.conv2d(x, first)));
            const y = ops.relu(ops.add(norm(ops.conv2d(u, second)), u));
            const z = ops.relu(ops.add(norm(ops.conv2d(y, second)), y));
            return grad(ops.sum(ops.mul(z, ops.sigmoid(z))), [x, g, b, first, second]);
          },
          { fuse, precision },
        );
        const { calls } = fn.prepare(...args).lowered;
        const adding = calls.filter((c) => c.attrs.hasAddend === true).length;
        const bits = fn.runSync(...args).map((t) => Buffer.from(t.dataSync().buffer).toString('base64'));
        return [adding, bits.join()];
      };
      const [fused, unfused] = [all(true), all(false)];
      // Those of z and y. The first norm has no residual: the gradients of u are added before it.
      expect([fused[0], unfused[0]]).toEqual([2, 0]);
      expect(fused[1]).toBe(unfused[1]);
    },
  );

  it.each(['train', 'eval'])('takes the mask of relu from x where it can, the same bits (%s)', (mode) => {
    const shape = [4, 20, 5, 5];
    const positive = numbers([20], 5).map((v) => v + 1.5);
    const args = [
      tensor(numbers(shape), shape),
      ...[numbers([20], 2), numbers([20], 3), numbers([20], 4), positive].map((v) => tensor(v, [20])),
    ] as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const all = (fuse: boolean, readsY = false): [unknown, string] => {
      const fn = compile(
        (x: Tensor, g: Tensor, b: Tensor, m: Tensor, v: Tensor) => {
          const z = mode === 'train' ? ops.batchNormTrain(x, g, b).y : ops.batchNormEval(x, g, b, m, v);
          const y = ops.relu(readsY ? ops.add(z, x) : z);
          return grad(ops.sum(ops.mul(y, ops.sigmoid(y))), [x, g, b]);
        },
        { fuse },
      );
      const backward = fn
        .prepare(...args)
        .lowered.calls.find((c) => c.kernel.endsWith('backward') && c.kernel.startsWith('batch_norm'));
      const bits = fn.runSync(...args).map((t) => Buffer.from(t.dataSync().buffer).toString('base64'));
      return [backward?.attrs.mask, bits.join()];
    };
    const [fused, unfused] = [all(true), all(false)];
    expect([fused[0], unfused[0], all(true, true)[0]]).toEqual([2, 0, 1]);
    expect(fused[1]).toBe(unfused[1]);
  });

  it('rejects one value per channel and wrong sizes', () => {
    expect(() => ops.batchNormTrain(tensor([1, 2], [1, 2]), tensor([1, 1]), tensor([0, 0]))).toThrow(
      'batch_norm: training needs more than one value per channel',
    );
    expect(() => ops.batchNormTrain(tensor([1, 2], [2, 1]), tensor([1, 1]), tensor([0, 0]))).toThrow(
      ShapeError,
    );
  });
});
