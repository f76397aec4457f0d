import { NonFiniteError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

const size = 1024; // a weight of 2^20 elements, the least that is worth it
const batch = 16;

interface Setup {
  readonly optimizer?: () => optim.Optimizer;
  readonly fuse?: boolean;
  readonly examples?: number;
  readonly returned?: (weightGradient: Tensor) => Tensor[];
}

function build({ optimizer = () => optim.sgd({ lr: 0.1 }), fuse, examples = batch, returned }: Setup) {
  const model = nn.sequential(nn.linear(size, size), nn.tanh(), nn.linear(size, 3));
  model.initialize({ seed: 1 });
  const rule = optimizer();
  const step = compile(
    (x: Tensor) => {
      const y = model.forward(x);
      const gradients = grad(ops.mean(ops.square(y)));
      rule.update(gradients);
      const weight = gradients.entries().find(([p]) => p.size === size * size)![1];
      return [gradients.loss, ...(returned?.(weight) ?? [])];
    },
    { ...(fuse !== undefined && { fuse }) },
  );
  const x = tensor(Float32Array.from(symmetric(examples * size, 7, 1)), [examples, size]);
  const kernels = step.prepare(x).lowered.calls.map((c) => c.kernel);
  return { model, step, x, kernels, rule };
}

function weights(model: nn.Module): string[] {
  return model.parameters().map((p) => Buffer.from(p.dataSync().buffer).toString('base64'));
}

describe('the update of a large linear layer', () => {
  it.each([
    ['plain', {}],
    ['decay', { weightDecay: 1e-3 }],
    ['momentum', { momentum: 0.9 }],
    ['nesterov', { momentum: 0.9, nesterov: true, weightDecay: 1e-3 }],
  ])('makes no gradient, and the same bits (%s)', (_, options) => {
    const [fused, apart] = [true, false].map((fuse) => {
      const run = build({ optimizer: () => optim.sgd({ lr: 0.1, ...options }), fuse });
      for (let i = 0; i < 3; i++) run.step.runSync(run.x);
      return run;
    });
    expect(fused!.kernels).toContain('sgd_product');
    expect(apart!.kernels).not.toContain('sgd_product');
    expect(fused!.kernels.filter((k) => k === 'matmul')).toHaveLength(
      apart!.kernels.filter((k) => k === 'matmul').length - 1,
    );
    expect(weights(fused!.model)).toEqual(weights(apart!.model));
  });

  it('is left as it is where something else needs the gradient', () => {
    const clipped = build({ optimizer: () => optim.sgd({ lr: 0.1, clipNorm: 1 }) });
    const returned = build({ returned: (g) => [g] });
    const read = build({ returned: (g) => [ops.max(g)] });
    const adam = build({ optimizer: () => optim.adam({ lr: 0.1 }) });
    const wide = build({ examples: 65 });
    for (const { kernels } of [clipped, returned, read, adam, wide]) {
      expect(kernels).not.toContain('sgd_product');
      expect(kernels).not.toContain('product_squares');
    }
  });

  it('works where it is the only parameter', () => {
    const run = [true, false].map((fuse) => {
      const model = nn.sequential(nn.linear(size, size, { bias: false }));
      model.initialize({ seed: 1 });
      const rule = optim.sgd({ lr: 0.5, momentum: 0.5 });
      const step = compile((x: Tensor) => rule.update(grad(ops.mean(ops.square(model.forward(x))))), {
        fuse,
      });
      const x = tensor(Float32Array.from(symmetric(size, 3, 1)), [1, size]);
      step.runSync(x);
      step.runSync(x);
      const kernels = step.prepare(x).lowered.calls.map((c) => c.kernel);
      return { kernels, bits: weights(model) };
    });
    expect(run[0]!.kernels).not.toContain('sgd');
    expect(run[0]!.kernels).not.toContain('sum_squares');
    expect(run[0]!.bits).toEqual(run[1]!.bits);
  });

  it('commits nothing when the gradient is not finite, though the loss is', async () => {
    const model = nn.sequential(nn.linear(size, size, { bias: false }));
    model.initialize({ seed: 1 });
    const rule = optim.sgd({ lr: 0.5 });
    const step = compile((x: Tensor) => {
      const loss = ops.mean(model.forward(x));
      rule.update(grad(loss));
      return loss;
    });
    const x = (scale: number): Tensor => tensor(symmetric(size, 3, scale), [1, size]);
    const before = weights(model);
    expect(step.prepare(x(1)).lowered.calls.map((c) => c.kernel)).toContain('sgd_product');
    await expect(step(x(1e25))).rejects.toThrow(NonFiniteError);
    expect(weights(model)).toEqual(before);
    rule.resetGuard();
    expect(Number.isFinite((await step(x(1))).itemSync())).toBe(true);
    expect(weights(model)).not.toEqual(before);
  });
});
