/**
 * Values that follow from parameters alone: folded batch norms, kept between runs and computed anew when
 * the parameters change.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../../lib/compile/compile';
import { info } from '../../lib/native';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { grad } from '../../lib/compile/grad';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

function network(): nn.Sequential {
  return nn
    .sequential(
      nn.conv2d(3, 8, { kernel: 3, padding: 1 }),
      nn.batchNorm2d(8),
      nn.tanh(),
      nn.basicBlock(8, 8),
      nn.basicBlock(8, 16, { stride: 2 }),
      nn.globalAvgPool2d(),
      nn.flatten(),
      nn.linear(16, 12),
      nn.batchNorm1d(12),
      nn.relu(),
      nn.linear(12, 5),
    )
    .initialize({ seed: 3 });
}

const shape = [3, 8, 8] as const;
const values = Float32Array.from({ length: 4 * 192 }, (_, i) => Math.sin(i * 1.7) + 0.2);
const images = tensor(values, [4, ...shape]);
const labels = tensor(Int32Array.of(0, 1, 2, 3));

/** Steps of training, after which no statistic and no parameter is what it was. */
function trainer(net: nn.Module): (steps: number) => void {
  const optimizer = optim.sgd({ lr: 0.05, momentum: 0.9 });
  const step = compile((x: Tensor, y: Tensor) => {
    optimizer.update(grad(losses.crossEntropy()(net.forward(x), y)));
  });
  return (steps) => {
    net.train();
    for (let i = 0; i < steps; i++) step.runSync(images, labels);
  };
}

/** What evaluation gives without folding: on the train queue nothing is folded. */
function unfolded(net: nn.Module): Float32Array {
  net.eval();
  const run = compile((x: Tensor) => net.forward(x), { fuse: false });
  const result = run.runSync(images).dataSync() as Float32Array;
  run.dispose();
  return result;
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  const scale = Math.max(...expected.map(Math.abs));
  expect(actual).toHaveLength(expected.length);
  actual.forEach((x, i) => expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-5 * scale));
}

const options = { shape, output: 'logits' } as const;

test('predictions with folded batch norms are those without, after every change of the parameters', async () => {
  const net = network();
  const train = trainer(net);
  const results: Float32Array[] = [];
  for (const steps of [0, 1, 3]) {
    train(steps);
    results.push(net.predictSync(values, options));
    expectClose(results.at(-1)!, unfolded(net));
    expect(await net.predict(values, options)).toEqual(results.at(-1));
  }
  expect(results[0]).not.toEqual(results[1]);
  expect(results[1]).not.toEqual(results[2]);

  const other = network().initialize({ seed: 4 });
  const before = other.predictSync(values, options);
  expect(before).not.toEqual(results[2]);
  const folder = mkdtempSync(join(tmpdir(), 'tenon-'));
  await net.save(join(folder, 'net.safetensors'));
  await other.load(join(folder, 'net.safetensors'));
  rmSync(folder, { recursive: true });
  expect(other.predictSync(values, options)).toEqual(results[2]);
  net.dispose();
  other.dispose();
});

test('no batch norm is left in a program for predictions, and its weights take no part in a run', () => {
  const net = network().eval();
  const kernels = (queue: 'train' | 'predict'): string[] => {
    const run = compile((x: Tensor) => net.forward(x), { queue });
    run.runSync(images);
    const rows = run.profile()[0]!;
    run.dispose();
    expect(rows.every((row) => row.calls === 1)).toBe(true);
    return rows.map((row) => row.kernel);
  };
  expect(kernels('train').filter((k) => k === 'batch_norm_eval')).toHaveLength(7);
  expect(kernels('predict')).not.toContain('batch_norm_eval');
  expect(kernels('predict')).not.toContain('fold_batch_norm');
});

/** In evaluation mode, with running statistics that moved, and two images. */
function trainedResnet18() {
  const net = models.resnet18({ classes: 10, seed: 1 });
  const x = tensor(symmetric(2 * 3 * 64 * 64, 5, 2), [2, 3, 64, 64]);
  const step = compile((t: Tensor) => net.forward(t));
  for (let i = 0; i < 3; i++) step.runSync(x); // moves the running statistics
  step.dispose();
  return { net: net.eval(), x };
}

test('a folded ResNet-18 gives what the unfolded one gives', () => {
  const { net, x } = trainedResnet18();
  const [plain, folded] = (['train', 'predict'] as const).map((queue) => {
    const run = compile((t: Tensor) => net.forward(t), { queue });
    const y = run.runSync(x).dataSync() as Float32Array;
    const norms = run.profile()[0]!.filter((row) => row.kernel === 'batch_norm_eval').length;
    run.dispose();
    return { y, norms };
  });
  expectClose(folded!.y, plain!.y);
  expect([plain!.norms, folded!.norms]).toEqual([20, 0]);
  net.dispose();
});

test('in bf16, a folded ResNet-18 has no batch norm and no addition left, and is as near to fp32', () => {
  const { net, x } = trainedResnet18();
  const results = (['train', 'predict'] as const).map((queue) => {
    const run = compile((t: Tensor) => net.forward(t), { queue, precision: 'bf16' });
    const y = [...run.runSync(x).dataSync()];
    const rows = run.profile()[0]!.map((row) => row.kernel);
    run.dispose();
    return { y, apart: rows.filter((kernel) => /^(batch_norm_eval|add|relu)$/.test(kernel)).length };
  });
  const exact = [
    ...compile((t: Tensor) => net.forward(t))
      .runSync(x)
      .dataSync(),
  ];
  const errors = results.map(({ y }) => Math.max(...y.map((v, i) => Math.abs(v - exact[i]!))));
  expect(results.map(({ apart }) => apart)).toEqual([20, 0]);
  expect(errors[0]).toBeGreaterThan(0);
  expect(errors[1]).toBeLessThan(1.5 * errors[0]!);
  net.dispose();
});

test.each(['fp32', 'bf16'] as const)(
  '%s: a residual stays with its batch norm where no convolution can add it',
  (precision) => {
    class Block extends nn.Module {
      readonly stem = nn.conv2d(8, 8, { kernel: 1 }); // its output is stored as the norm's is
      readonly conv: nn.Module;
      readonly norm = nn.batchNorm2d(8);
      constructor(
        groups: number,
        private readonly again = false,
      ) {
        super();
        this.conv = nn.conv2d(8, 8, { kernel: 3, padding: 1, groups });
      }
      forward(input: Tensor): Tensor {
        const x = this.stem.forward(input);
        const y = ops.relu(ops.add(this.norm.forward(this.conv.forward(x)), x));
        return this.again ? ops.add(y, x) : y;
      }
    }
    const x = tensor(symmetric(2 * 8 * 36, 5, 2), [2, 8, 6, 6]);
    const near = (actual: Float32Array, expected: Float32Array): void => {
      if (precision === 'fp32') return expectClose(actual, expected);
      const scale = Math.max(...expected.map(Math.abs));
      actual.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThan(0.02 * scale));
    };
    const results = [new Block(1), new Block(1, true), new Block(2), new Block(8)].map((net) => {
      net.initialize({ seed: 5 });
      compile((t: Tensor) => net.forward(t)).runSync(x);
      net.eval();
      const plain = compile((t: Tensor) => net.forward(t))
        .runSync(x)
        .dataSync() as Float32Array;
      const predict = compile((t: Tensor) => net.forward(t), { queue: 'predict', precision });
      near(predict.runSync(x).dataSync() as Float32Array, plain);
      return predict.profile()[0]!.filter((row) => row.kernel === 'batch_norm_eval').length;
    });
    expect(results).toEqual([0, 0, 1, 1]);
  },
);

test('batch norm is folded into a linear layer', () => {
  const net = nn.sequential(nn.linear(20, 30), nn.batchNorm1d(30), nn.relu()).initialize({ seed: 2 });
  const x = tensor(symmetric(12 * 20, 5, 2), [12, 20]);
  compile((t: Tensor) => net.forward(t)).runSync(x);
  net.eval();
  const plain = compile((t: Tensor) => net.forward(t)).runSync(x);
  const predict = compile((t: Tensor) => net.forward(t), { queue: 'predict' });
  expectClose(predict.runSync(x).dataSync() as Float32Array, plain.dataSync() as Float32Array);
  expect(predict.profile()[0]!.map((row) => row.kernel)).not.toContain('batch_norm_eval');
});

test('standardized weights are computed once, and take up the batch norm behind them', () => {
  const conv = nn.conv2d(3, 8, { kernel: 3, weightStandardization: true });
  const net = nn.sequential(conv, nn.batchNorm2d(8), nn.relu()).initialize({ seed: 2 });
  compile((t: Tensor) => net.forward(t)).runSync(images);
  net.eval();
  const plain = compile((t: Tensor) => net.forward(t)).runSync(images);
  const predict = compile((t: Tensor) => net.forward(t), { queue: 'predict' });
  expectClose(predict.runSync(images).dataSync() as Float32Array, plain.dataSync() as Float32Array);
  const kernels = predict.profile()[0]!.map((row) => row.kernel);
  expect(kernels.filter((k) => /norm/.test(k))).toEqual([]);
});

test('weights packed once give the bits of weights packed in every run', () => {
  const net = nn
    .sequential(
      nn.conv2d(3, 33, { kernel: 3, stride: 2, padding: 1 }),
      nn.relu(),
      nn.conv2d(33, 20, { kernel: 1 }),
      nn.flatten(),
      nn.linear(320, 70),
      nn.tanh(),
      nn.linear(70, 3),
    )
    .initialize();
  const kept = compile((x: Tensor) => net.forward(x), { queue: 'predict' });
  const anew = compile((x: Tensor) => net.forward(x));
  const before = info().memory.derived;
  for (const n of [1, 2, 4]) {
    const x = tensor(values.subarray(0, n * 192), [n, ...shape]);
    expect(kept.runSync(x).dataSync()).toEqual(anew.runSync(x).dataSync());
  }
  expect(info().memory.derived).toBeGreaterThan(before);
  kept.dispose();
  anew.dispose();
});

test('a value that others read as well is not folded away', () => {
  const conv = nn.conv2d(3, 4, { kernel: 3 }).initialize();
  const norm = nn.batchNorm2d(4).initialize().eval();
  const fn = (x: Tensor): Tensor => {
    const y = conv.forward(x);
    return ops.add(norm.forward(y), y);
  };
  const folded = compile(fn, { queue: 'predict' }).runSync(images).dataSync() as Float32Array;
  const plain = compile(fn, { fuse: false }).runSync(images).dataSync() as Float32Array;
  expect(folded).toEqual(plain);
});

test('programs of several batch sizes share what is kept, and give it back', () => {
  const before = info().memory.derived;
  const net = network();
  net.predictSync(values, options);
  const one = info().memory.derived;
  expect(one).toBeGreaterThan(before);
  net.predictSync(values.subarray(192), options);
  net.predictSync(values.subarray(384), options);
  expect(info().memory.derived).toBe(one);
  const train = trainer(net);
  for (let i = 0; i < 5; i++) {
    train(1);
    net.predictSync(values, options);
  }
  expect(info().memory.derived).toBe(one);
  net.dispose();
  network().predictSync(values, options); // behind which the executor has let go of the programs
  expect(info().memory.derived).toBe(one);
});
