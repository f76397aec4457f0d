/** Lion against its formula in double. */
import { compile } from '../../lib/compile/compile';
import { Gradients } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

const STEPS = 20;
const SIZE = 37;

/** Weights after gradients that change with the step. */
function trained(optimizer: optim.Optimizer): Float32Array {
  const weight = nn.linear(SIZE, 1, { bias: false }).initialize({ seed: 1 }).parameters()[0]!;
  weight.storage.writeSync(symmetric(SIZE, 300, 1));
  const step = compile((g: Tensor) => optimizer.update(new Gradients(ops.sum(g), new Map([[weight, g]]))));
  for (let t = 0; t < STEPS; t++) step.runSync(tensor(symmetric(SIZE, 400 + t, 1), [1, SIZE]));
  return Float32Array.from(weight.dataSync());
}

/** Chen et al. 2023, algorithm 2. */
function expected(lr: number, [b1, b2]: readonly [number, number], decay: number): number[] {
  const gradients = Array.from({ length: STEPS }, (_, t) => symmetric(SIZE, 400 + t, 1));
  return Array.from(symmetric(SIZE, 300, 1), (first, i) => {
    let [w, m] = [first, 0];
    for (const { [i]: g } of gradients) {
      w -= lr * (Math.sign(b1 * m + (1 - b1) * g!) + decay * w);
      m = b2 * m + (1 - b2) * g!;
    }
    return w;
  });
}

function expectClose(actual: Float32Array, wanted: readonly number[]): void {
  actual.forEach((w, i) => expect(Math.abs(w - wanted[i]!)).toBeLessThan(1e-6));
}

test.each<[optim.LionOptions, number, [number, number], number]>([
  [{}, 1e-4, [0.9, 0.99], 0],
  [{ lr: 0.01 }, 0.01, [0.9, 0.99], 0],
  [{ lr: 0.01, weightDecay: 0.5 }, 0.01, [0.9, 0.99], 0.5],
  [{ lr: 0.03, betas: [0.5, 0.6], weightDecay: 0.1 }, 0.03, [0.5, 0.6], 0.1],
  [{ lr: 0.01, betas: [0, 0] }, 0.01, [0, 0], 0],
  [{ lr: 0.5, groups: [{ match: /./, lr: 0.02, betas: [0.8, 0.7] }] }, 0.02, [0.8, 0.7], 0],
])('%j goes where the formula gets', (options, lr, betas, decay) => {
  expectClose(trained(optim.lion(options)), expected(lr, betas, decay));
});

test('a gradient of 0 moves nothing', () => {
  const optimizer = optim.lion({ lr: 0.1 });
  const weight = nn.linear(3, 1, { bias: false }).initialize({ seed: 1 }).parameters()[0]!;
  weight.storage.writeSync(Float32Array.of(1, 2, 3));
  compile((g: Tensor) => optimizer.update(new Gradients(ops.sum(g), new Map([[weight, g]])))).runSync(
    tensor([0, 1e-30, -1e-30], [1, 3]),
  );
  expect([...weight.dataSync()]).toEqual([1, 1.9, 3.1].map(Math.fround));
});

test('bad options', () => {
  expect(() => optim.lion({ betas: [0.9, 1] })).toThrow(
    'optim.lion: betas[1] must be a number from 0 to below 1, got 1',
  );
  expect(() => optim.lion({ eps: 1 } as optim.LionOptions)).toThrow('optim.lion: unknown option "eps"');
});
