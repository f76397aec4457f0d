/** Frozen layers in a training step: batch norms folded into the layers before them, as in predictions. */
import { compile, type Compiled } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { assign } from '../../lib/graph/trace';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import { info } from '../../lib/native';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { withTarget } from '../../lib/tensor/target';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { fillState, symmetric } from '../fixtures/numbers';

type Step = Compiled<[Tensor, Tensor], Tensor[]>;

const images = tensor(symmetric(4 * 3 * 8 * 8, 7, 2), [4, 3, 8, 8]);
const labels = tensor(Int32Array.of(0, 1, 2, 3));
const loss = losses.crossEntropy();

/** The loss, and the gradients of what is trained. */
function stepOf(model: nn.Module, options: { fuse?: boolean; precision?: 'bf16' } = {}): Step {
  return compile((x: Tensor, y: Tensor) => {
    const value = loss(model.forward(x), y);
    return [
      value,
      ...grad(value)
        .entries()
        .map(([, g]) => g),
    ];
  }, options);
}

const run = (step: Step, x = images): number[][] => step.runSync(x, labels).map((t) => [...t.dataSync()]);

const kernels = (step: Step, x = images): string[] =>
  step
    .prepare(x, labels)
    .profile()
    .map((row) => row.kernel);

const norms = (step: Step, x = images): number =>
  kernels(step, x).filter((name) => name === 'batch_norm_eval').length;

/** The largest difference of each tensor, relative to its largest element. */
function differences(actual: number[][], expected: number[][]): number[] {
  expect(actual.map((list) => list.length)).toEqual(expected.map((list) => list.length));
  const largest = (values: number[]): number => Math.max(...values.map(Math.abs));
  return actual.map((list, k) => largest(list.map((x, i) => x - expected[k]![i]!)) / largest(expected[k]!));
}

function expectClose(actual: number[][], expected: number[][], tolerance: number): void {
  for (const difference of differences(actual, expected)) expect(difference).toBeLessThan(tolerance);
}

/** A residual network with 6 batch norms, 1 + 2 + 3. */
function network(): nn.NamedSequential {
  const model = nn.namedSequential({
    stem: nn.sequential(
      nn.conv2d(3, 4, { kernel: 3, padding: 1, bias: false }),
      nn.batchNorm2d(4),
      nn.relu(),
    ),
    block1: nn.basicBlock(4, 4),
    block2: nn.basicBlock(4, 8, { stride: 2 }),
    pool: nn.globalAvgPool2d(),
    flatten: nn.flatten(),
    fc: nn.linear(8, 5),
  });
  fillState(model);
  return model;
}

const body = ['stem', 'block*'];

test('a step over frozen layers has no batch norm left', () => {
  const model = network().freeze(...body);
  const [folded, apart] = [stepOf(model), stepOf(model, { fuse: false })];
  const results = run(folded);
  expect(results).toHaveLength(3);
  expectClose(results, run(apart), 1e-5);
  expect(results).not.toEqual(run(apart));
  expect([norms(folded), norms(apart)]).toEqual([0, 6]);
  // Activations and residuals have moved on into the convolutions, and folding takes no part in a run.
  expect(kernels(folded).filter((name) => /^(relu|add|fold_batch_norm)$/.test(name))).toEqual([]);
  expect(run(folded)).toEqual(results);
  expect(run(stepOf(model))).toEqual(results);
});

test('mobilenetV2, whose layers are depthwise and end in relu6, as well', () => {
  const model = models.mobilenetV2({ classes: 5, widthMult: 0.25, dropout: 0 });
  fillState(model);
  model.freeze('features');
  const x = tensor(symmetric(4 * 3 * 32 * 32, 7, 2), [4, 3, 32, 32]);
  const [folded, apart] = [stepOf(model), stepOf(model, { fuse: false })];
  // Folding 52 norms changes predictions as much: inverted-residual.test.ts.
  expectClose(run(folded, x), run(apart, x), 1e-4);
  expect([norms(folded, x), norms(apart, x)]).toEqual([0, 52]);
  expect(kernels(folded, x)).not.toContain('relu6');
});

test('in float64, folding is exact wherever layers are frozen', () => {
  withTarget('ref', () => {
    const x = tensor(symmetric(4 * 3 * 8 * 8, 7, 2), [4, 3, 8, 8]);
    for (const [frozen, left] of [
      [body, 0],
      [['stem', 'block1'], 0],
      // Norms behind a layer that is trained pass gradients on, and stay.
      [['stem', 'block2'], 3],
      [['block1'], 2],
    ] as const) {
      const model = network().freeze(...frozen);
      const [folded, apart] = [stepOf(model), stepOf(model, { fuse: false })];
      expectClose(run(folded, x), run(apart, x), 1e-12);
      expect(norms(folded, x)).toBe(left);
    }
  });
});

test('layers behind the first that is trained keep their bits', () => {
  const model = network().freeze('block1');
  expect(run(stepOf(model))).toEqual(run(stepOf(model, { fuse: false })));
});

test('in bf16, a folded step is as near to fp32 as one with batch norms', () => {
  const model = network().freeze(...body);
  const [folded, apart] = [true, false].map((fuse) => stepOf(model, { precision: 'bf16', fuse }));
  const exact = run(stepOf(model, { fuse: false }));
  const [near, far] = [differences(run(folded!), exact), differences(run(apart!), exact)];
  near.forEach((difference, k) => expect(difference).toBeLessThan(2 * Math.max(far[k]!, 2 ** -8)));
  expect([norms(folded!), norms(apart!)]).toEqual([0, 6]);
});

test('what is folded follows the frozen parameters and statistics', async () => {
  const model = network().freeze(...body);
  const step = stepOf(model);
  const results = [run(step)];
  const changed = (): void => {
    results.push(run(step));
    expect(results.at(-1)).toEqual(run(stepOf(model)));
    expectClose(results.at(-1)!, run(stepOf(model, { fuse: false })), 1e-5);
  };
  for (const [name, value] of [
    ['block1.b2.weight', 0.3],
    ['block2.b1.running_mean', 0.7],
    ['stem.0.weight', 0.1],
  ] as const) {
    const { storage, size } = model.tree().tensors.get(name)!;
    storage.writeSync(new Float32Array(size).fill(value));
    changed();
  }
  await model.load(await network().initialize({ seed: 3 }).toBuffer());
  changed();
  expect(new Set(results.map(([value]) => value![0])).size).toBe(results.length);
});

test('unfreezing unfolds, and freezing again folds anew', () => {
  const model = network().freeze(...body);
  const step = stepOf(model);
  const frozen = run(step);
  model.unfreeze('block2');
  expect(run(step).length).toBeGreaterThan(frozen.length);
  expect(norms(step)).toBe(0);
  expect(kernels(step).filter((name) => name === 'batch_norm_train')).toHaveLength(3);
  model.freeze('block2'); // whose statistics have moved
  const again = run(step);
  expect(again).not.toEqual(frozen);
  expect(again).toEqual(run(stepOf(model)));
  expectClose(again, run(stepOf(model, { fuse: false })), 1e-5);
  expect(norms(step)).toBe(0);
});

test('a body in evaluation mode whose weights are not trained is folded as well', () => {
  const model = network();
  model.eval().requiresGrad(false).requiresGrad(true, 'fc.*');
  const step = stepOf(model);
  expectClose(run(step), run(stepOf(model, { fuse: false })), 1e-5);
  expect(norms(step)).toBe(0);
});

test('evaluation of layers that are trained is not folded', () => {
  const model = network().eval();
  const [fused, apart] = [true, false].map((fuse) => compile((x: Tensor) => model.forward(x), { fuse }));
  expect(fused!.runSync(images).dataSync()).toEqual(apart!.runSync(images).dataSync());
});

test('a step that writes frozen memory itself folds nothing of it', () => {
  const model = network().freeze(...body);
  const scales = model.namedParameters().get('block1.b1.weight')!;
  const step = compile((x: Tensor, y: Tensor) => {
    const value = loss(model.forward(x), y);
    assign(scales, ops.mul(scales, 2));
    return [value];
  });
  const [first, second] = [1, 2].map(() => {
    const [expected] = run(stepOf(model, { fuse: false }));
    const actual = run(step);
    expectClose(actual, [expected!], 1e-5);
    return actual;
  });
  expect(first).not.toEqual(second);
  expect(norms(step)).toBe(1);
});

test('training shares folded weights with predictions, and keeps them', () => {
  const model = network().freeze(...body);
  const optimizer = optim.sgd({ lr: 0.1 });
  const step = compile((x: Tensor, y: Tensor) => optimizer.update(grad(loss(model.forward(x), y))));
  const x = images.dataSync() as Float32Array;
  const predict = (): Float32Array => model.predictSync(x, { shape: [3, 8, 8], output: 'logits' });
  const before = predict();
  const kept = info().memory.derived;
  step.runSync(images, labels);
  expect(info().memory.derived).toBe(kept);
  expect(predict()).not.toEqual(before);
  step.dispose();
});
