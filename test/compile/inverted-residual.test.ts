/**
 * What passes make of MobileNetV2's blocks: relu6 and the addition without an activation go into kernels, and
 * in predictions a block's convolutions become one.
 */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { numel, type Shape } from '../../lib/tensor/shape';
import { withTarget } from '../../lib/tensor/target';
import { persistent, tensor, type Tensor } from '../../lib/tensor/tensor';
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
  ['mobilenetV2', () => models.mobilenetV2({ classes: 5, seed: 1 }), 17],
  ['efficientnetLite0', () => models.efficientnetLite0({ classes: 5, seed: 1 }), 16],
] as const)(
  'a prediction of %s is blocks, two convolutions, the average and the last layer',
  (_, make, blocks) => {
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
    expect(count(predicted!.kernels, 'inverted_residual')).toBe(blocks);
    // permute: the images come in PyTorch's order.
    const others = predicted!.kernels.filter((kernel) => kernel !== 'inverted_residual').sort();
    expect(others).toEqual(['conv2d', 'conv2d', 'matmul', 'permute', 'reduce_sum']);
    model.dispose();
  },
);

interface Block {
  readonly input: Shape;
  readonly wide: number;
  readonly out: number;
  readonly depthwise?: ops.Conv2dOptions;
  readonly expands?: boolean;
  readonly residual?: boolean;
}

/** A block's convolutions with activations between them; `pointwise` are options of those that are 1x1. */
function block({ input, wide, out, depthwise, expands = true, residual = false }: Block): {
  x: Tensor;
  run: (x: Tensor, pointwise: ops.Conv2dOptions) => Tensor;
} {
  let salt = 1;
  const values = (...shape: number[]): Tensor => persistent(symmetric(numel(shape), 11 + salt++, 1), shape);
  const from = input[1]!;
  const [expand, expandBias] = [values(wide, from, 1, 1), values(wide)];
  const [filters, filterBias] = [values(wide, 1, 3, 3), values(wide)];
  const [project, projectBias] = [values(out, wide, 1, 1), values(out)];
  const run = (x: Tensor, pointwise: ops.Conv2dOptions): Tensor => {
    const widened = expands ? ops.relu6(ops.conv2d(x, expand, expandBias, pointwise)) : x;
    const steps = { padding: 1, groups: wide, ...depthwise };
    const convolved = ops.relu6(ops.conv2d(widened, filters, filterBias, steps));
    const y = ops.conv2d(convolved, project, projectBias, pointwise);
    return residual ? ops.add(y, x) : y;
  };
  return { x: tensor(symmetric(numel(input), 5, 2), input), run };
}

function predicted(
  fn: (x: Tensor) => Tensor,
  x: Tensor,
  precision: 'fp32' | 'bf16' = 'fp32',
): { kernels: string[]; values: number[] } {
  const run = compile(fn, { queue: 'predict', precision });
  const values = [...run.runSync(x).dataSync()];
  const kernels = run.profile()[0]!.map((row) => row.kernel);
  run.dispose();
  return { kernels, values };
}

test.each<[string, Block]>([
  ['one block', { input: [2, 5, 9, 11], wide: 40, out: 7 }],
  ['strides', { input: [1, 8, 30, 30], wide: 48, out: 24, depthwise: { stride: 2 } }],
  ['none that widens', { input: [2, 33, 8, 8], wide: 33, out: 16, expands: false }],
  ['a dilation', { input: [1, 4, 12, 12], wide: 36, out: 5, depthwise: { dilation: 2, padding: 2 } }],
])('%s in one kernel has the bits of its convolutions', (_, of) => {
  const { x, run } = block(of);
  const joined = predicted((input) => run(input, {}), x);
  // An algorithm that the user names is kept, and this one is what a 1x1 convolution runs anyway.
  const apart = predicted((input) => run(input, { algorithm: 'direct' }), x);
  expect(count(joined.kernels, 'inverted_residual')).toBe(1);
  expect(count(joined.kernels, 'conv2d')).toBe(0);
  expect(count(apart.kernels, 'conv2d')).toBe(of.expands === false ? 2 : 3);
  expect(joined.values).toEqual(apart.values);
  const reference = withTarget('ref', () => {
    const same = block(of);
    return predicted((input) => same.run(input, {}), same.x);
  });
  const scale = Math.max(...reference.values.map(Math.abs));
  joined.values.forEach((v, i) => expect(Math.abs(v - reference.values[i]!) / scale).toBeLessThan(1e-5));
});

test.each<[string, Block]>([
  ['one block', { input: [2, 5, 9, 11], wide: 40, out: 7 }],
  ['an addition', { input: [1, 32, 14, 14], wide: 192, out: 32, residual: true }],
  ['none that widens', { input: [2, 33, 8, 8], wide: 33, out: 16, expands: false, depthwise: { stride: 2 } }],
])('%s in bf16 has the bits of its convolutions', (_, of) => {
  const { x, run } = block(of);
  const within = (pointwise: ops.Conv2dOptions) => (input: Tensor) =>
    ops.relu(ops.conv2d(run(ops.relu(input), pointwise), last, lastBias));
  const last = persistent(symmetric(8 * of.out, 3, 1), [8, of.out, 1, 1]);
  const lastBias = persistent(symmetric(8, 4, 1));
  const joined = predicted(within({}), x, 'bf16');
  const apart = predicted(within({ algorithm: 'direct' }), x, 'bf16');
  expect(count(joined.kernels, 'inverted_residual_bf16')).toBe(1);
  expect(count(apart.kernels, 'inverted_residual_bf16')).toBe(0);
  expect(joined.values).toEqual(apart.values);
});

test('convolutions are joined only where nothing else reads what is between them', () => {
  const of: Block = { input: [1, 6, 8, 8], wide: 24, out: 6 };
  const { x, run } = block(of);
  const joins = (fn: (input: Tensor) => Tensor): number =>
    count(predicted(fn, x).kernels, 'inverted_residual');
  const [w, b] = [persistent(symmetric(24 * 6, 3, 1), [24, 6, 1, 1]), persistent(new Float32Array(24))];
  const [f, g] = [persistent(symmetric(24 * 9, 4, 1), [24, 1, 3, 3]), persistent(new Float32Array(24))];
  const [p, o] = [persistent(symmetric(24 * 6, 7, 1), [6, 24, 1, 1]), persistent(new Float32Array(6))];
  const wide = (input: Tensor): Tensor => ops.conv2d(input, w, b);
  const deep = (input: Tensor): Tensor => ops.conv2d(input, f, g, { padding: 1, groups: 24 });
  expect(joins((input) => run(input, {}))).toBe(1);
  // The wide image is read again: the depthwise convolution and the last one are a block without widening.
  const reads = (input: Tensor): Tensor => {
    const y = wide(input);
    return ops.add(ops.sum(y), ops.conv2d(deep(y), p, o));
  };
  expect(joins(reads)).toBe(1);
  const again = (input: Tensor): Tensor => {
    const y = deep(wide(input));
    return ops.add(ops.sum(y), ops.conv2d(y, p, o));
  };
  expect(joins(again)).toBe(0);
  // No bias, a last kernel of 3x3, and groups that are not the channels.
  expect(joins((input) => ops.conv2d(deep(wide(input)), p))).toBe(0);
  const last = persistent(symmetric(6 * 24 * 9, 4, 1), [6, 24, 3, 3]);
  expect(joins((input) => ops.conv2d(deep(wide(input)), last, o))).toBe(0);
  const pairs = persistent(symmetric(24 * 2 * 9, 4, 1), [24, 2, 3, 3]);
  const grouped = (input: Tensor): Tensor => ops.conv2d(input, pairs, g, { padding: 1, groups: 12 });
  expect(joins((input) => ops.conv2d(grouped(wide(input)), p, o))).toBe(0);
  // Training keeps what it reads again.
  const train = compile((input: Tensor) => run(input, {}));
  train.runSync(x);
  expect(
    count(
      train.profile()[0]!.map((row) => row.kernel),
      'conv2d',
    ),
  ).toBe(3);
  train.dispose();
});

test('a block follows its weights when they change', () => {
  const weights = persistent(symmetric(8 * 4, 3, 1), [8, 4, 1, 1]);
  const [f, p] = [
    persistent(symmetric(72, 4, 1), [8, 1, 3, 3]),
    persistent(symmetric(32, 7, 1), [4, 8, 1, 1]),
  ];
  const [b, o] = [persistent(new Float32Array(8)), persistent(new Float32Array(4))];
  const x = tensor(symmetric(100, 5, 2), [1, 4, 5, 5]);
  const fn = (input: Tensor): Tensor =>
    ops.conv2d(ops.conv2d(ops.conv2d(input, weights, b), f, b, { padding: 1, groups: 8 }), p, o);
  const run = compile(fn, { queue: 'predict' });
  run.runSync(x);
  weights.storage.writeSync(Float32Array.from(symmetric(8 * 4, 9, 1)));
  expect([...run.runSync(x).dataSync()]).toEqual(predicted(fn, x).values);
  expect(run.profile()[0]!.some((row) => row.kernel === 'inverted_residual')).toBe(true);
  run.dispose();
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
