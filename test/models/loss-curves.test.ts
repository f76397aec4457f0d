import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as expected } from '../fixtures/loss_curves.json';
import { fill, symmetric } from '../fixtures/numbers';

const cases = {
  lenet: { make: () => models.lenet(), shape: [1, 28, 28] },
  vggs: { make: () => models.vggs({ dropout: 0 }), shape: [3, 32, 32] },
  resnet20: { make: () => models.resnet20(), shape: [3, 32, 32] },
};

test.each(['lenet', 'vggs', 'resnet20'] as const)(
  'the loss of %s over 10 steps equals PyTorch to 1e-4',
  async (name) => {
    const { batch, momentum, weightDecay, convScale, losses: curve } = expected[name];
    const { make, shape } = cases[name];
    const model = make();
    fill(model, convScale);
    const optimizer = optim.sgd({ lr: 0.01, momentum, weightDecay });
    const crossEntropy = losses.crossEntropy();
    const step = compile((inputs: Tensor, targets: Tensor) => {
      const loss = crossEntropy(model.forward(inputs), targets);
      optimizer.update(grad(loss));
      return loss;
    });
    const size = batch * shape.reduce((n, d) => n * d, 1);
    const x = tensor(symmetric(size, 1000, Math.sqrt(3)), [batch, ...shape]);
    const labels = tensor(Int32Array.from({ length: batch }, (_, i) => i % 10));
    for (const target of curve) {
      const loss = await (await step(x, labels)).item();
      expect(Math.abs(loss - target) / target).toBeLessThan(1e-4);
    }
    expect(optimizer.step).toBe(curve.length);
  },
);
