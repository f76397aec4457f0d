/** What passes make of MobileNetV2's blocks: relu6 and the addition without an activation go into kernels. */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { fillState, symmetric } from '../fixtures/numbers';

const shape = [4, 3, 32, 32] as const;
const images = tensor(symmetric(4 * 3 * 32 * 32, 7, 2), shape);
const labels = tensor(Int32Array.of(0, 1, 2, 3));

/** gammas of 4, so that many values reach 6. */
function network(): nn.Module {
  const model = models.mobilenetV2({ classes: 5, widthMult: 0.25, dropout: 0 });
  fillState(model);
  for (const [name, p] of model.namedParameters())
    if (p.rank === 1 && name.endsWith('weight')) p.storage.writeSync(new Float32Array(p.size).fill(4));
  return model;
}

function count(kernels: readonly string[], name: string): number {
  return kernels.filter((kernel) => kernel === name).length;
}

function trained(options: { fuse: boolean; precision: 'fp32' | 'bf16' }): {
  kernels: string[];
  bits: number[][];
} {
  const model = network();
  const step = compile((x: Tensor, y: Tensor) => {
    const loss = losses.crossEntropy()(model.forward(x), y);
    return [loss, ...grad(loss, model.parameters())];
  }, options);
  const bits = step.runSync(images, labels).map((t) => [...t.dataSync()]);
  const kernels = step.profile()[0]!.map((row) => row.kernel);
  step.dispose();
  model.dispose();
  return { kernels, bits };
}

test.each(['fp32', 'bf16'] as const)('a training step in %s has the bits of the unfused one', (precision) => {
  const [fused, apart] = [true, false].map((fuse) => trained({ fuse, precision }));
  expect(fused!.bits).toEqual(apart!.bits);
  expect([count(apart!.kernels, 'relu6'), count(apart!.kernels, 'relu6_backward')]).toEqual([35, 35]);
  expect([count(fused!.kernels, 'relu6'), count(fused!.kernels, 'relu6_backward')]).toEqual([0, 0]);
  // Eleven blocks add x to what they return, and sum two gradients of it.
  expect([count(apart!.kernels, 'add'), count(fused!.kernels, 'add')]).toEqual([22, 11]);
});

test.each([
  ['mobilenetV2', () => models.mobilenetV2({ classes: 5, seed: 1 }), 52],
  ['efficientnetLite0', () => models.efficientnetLite0({ classes: 5, seed: 1 }), 49],
] as const)('a prediction of %s is convolutions, the average and the last layer', (_, make, convolutions) => {
  const model = make();
  fillState(model);
  model.eval();
  const larger = tensor(symmetric(3 * 64 * 64, 7, 2), [1, 3, 64, 64]);
  const [plain, predicted] = (['train', 'predict'] as const).map((queue) => {
    const run = compile((x: Tensor) => model.forward(x), { queue });
    const y = run.runSync(larger).dataSync() as Float32Array;
    const kernels = run.profile()[0]!.map((row) => row.kernel);
    run.dispose();
    return { y, kernels };
  });
  const scale = plain!.y.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  // Folding 52 norms changes results as much as these networks' logits may differ from PyTorch's.
  predicted!.y.forEach((v, i) => expect(Math.abs(v - plain!.y[i]!) / scale).toBeLessThan(1e-4));
  expect(count(predicted!.kernels, 'conv2d')).toBe(convolutions);
  // permute: the images come in PyTorch's order.
  const others = predicted!.kernels.filter((kernel) => kernel !== 'conv2d').sort();
  expect(others).toEqual(['matmul', 'permute', 'reduce_sum']);
  model.dispose();
});

test('a norm takes the addition behind it only if it is the norm of one reader, and of one shape', () => {
  const norm = nn.batchNorm2d(4).initialize();
  const x = tensor(symmetric(2 * 4 * 9, 3, 1), [2, 4, 3, 3]);
  const row = tensor(symmetric(12, 4, 1), [1, 4, 3, 1]);
  const cases = {
    'y + x': [(y: Tensor) => ops.add(y, x), 0],
    'x + y': [(y: Tensor) => ops.add(x, y), 0],
    'y + y': [(y: Tensor) => ops.add(y, y), 1],
    'y + row': [(y: Tensor) => ops.add(y, row), 1],
    'y + x, y y': [(y: Tensor) => ops.mul(ops.add(y, x), y), 1],
    'tanh(y + x)': [(y: Tensor) => ops.tanh(ops.add(y, x)), 0],
    'relu(y + x)': [(y: Tensor) => ops.relu(ops.add(y, x)), 0],
  } as const;
  for (const [name, [fn, adds]] of Object.entries(cases)) {
    const [fused, apart] = [true, false].map((fuse) => {
      const run = compile((input: Tensor) => fn(norm.forward(input)), { fuse });
      const bits = [...run.runSync(x).dataSync()];
      return {
        bits,
        adds: count(
          run.profile()[0]!.map((r) => r.kernel),
          'add',
        ),
      };
    });
    expect([name, fused!.adds, apart!.adds]).toEqual([name, adds, 1]);
    expect(fused!.bits).toEqual(apart!.bits);
  }
});
