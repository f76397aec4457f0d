/** Ten steps of every network of the benchmark beside PyTorch (test/fixtures/make_loss_curves.py). */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as expected } from '../fixtures/loss_curves.json';
import { fill, symmetric } from '../fixtures/numbers';

type Name = keyof typeof expected;

const networks: Record<Name, () => nn.Module> = {
  mlp: () =>
    nn.sequential(nn.linear(784, 256), nn.relu(), nn.linear(256, 128), nn.relu(), nn.linear(128, 10)),
  lenet: () => models.lenet(),
  vggs: () => models.vggs({ dropout: 0 }),
  resnet20: () => models.resnet20(),
  resnet18: () => models.resnet18({ classes: 10 }),
  mobilenetV2: () => models.mobilenetV2({ classes: 10, dropout: 0 }),
  efficientnetLite0: () => models.efficientnetLite0({ classes: 10, dropout: 0 }),
  tanh6: () => nn.sequential(...Array.from({ length: 6 }, () => [nn.linear(256, 256), nn.tanh()]).flat()),
};

const names = Object.keys(networks) as Name[];

async function lossCurve(name: Name, precision: 'fp32' | 'bf16'): Promise<number[]> {
  const { shape, batch, lr, momentum, weightDecay, convScale, losses: steps } = expected[name];
  const model = networks[name]();
  fill(model, convScale);
  const optimizer = optim.sgd({ lr, momentum, weightDecay });
  const crossEntropy = losses.crossEntropy();
  const step = compile(
    (inputs: Tensor, targets: Tensor) => {
      const y = model.forward(inputs);
      const loss = name === 'tanh6' ? ops.sum(ops.mul(y, y)) : crossEntropy(y, targets);
      optimizer.update(grad(loss));
      return loss;
    },
    { precision },
  );
  const size = batch * shape.reduce((n, d) => n * d, 1);
  const x = tensor(symmetric(size, 1000, Math.sqrt(3)), [batch, ...shape]);
  const labels = tensor(Int32Array.from({ length: batch }, (_, i) => i % 10));
  const curve: number[] = [];
  while (curve.length < steps.length) curve.push(await (await step(x, labels)).item());
  expect(optimizer.step).toBe(curve.length);
  return curve;
}

/** The largest distance of a step's loss from PyTorch's in float64, relative to the loss. */
async function distance(name: Name, precision: 'fp32' | 'bf16'): Promise<number> {
  const curve = await lossCurve(name, precision);
  return Math.max(...expected[name].losses.map((exact, i) => Math.abs(curve[i]! - exact) / exact));
}

test.each(names)("the loss of %s over 10 steps equals PyTorch's in float64 to 1e-4", async (name) => {
  // MobileNetV2 amplifies rounding: PyTorch's own float32 is further off than that.
  expect(await distance(name, 'fp32')).toBeLessThan(Math.max(1e-4, 2 * expected[name].off.fp32));
});

/**
 * Winograd's algorithm with products in bf16 has six times the error of direct products (ARCHITECTURE.md).
 */
const byWinograd: readonly Name[] = ['vggs', 'resnet20', 'resnet18'];

test.each(names)(
  "the loss of %s in bf16 stays near to it, as PyTorch's under autocast does",
  async (name) => {
    const limit = (byWinograd.includes(name) ? 6 : 2) * expected[name].off.bf16;
    expect(await distance(name, 'bf16')).toBeLessThan(limit);
  },
);
