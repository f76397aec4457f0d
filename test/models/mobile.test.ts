/** MobileNetV2 and EfficientNet-Lite0 beside torchvision and timm (test/fixtures/make_mobile.py). */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { OptionError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { withTarget } from '../../lib/tensor/target';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { values as fixture } from '../fixtures/mobile.json';
import { fillState, symmetric } from '../fixtures/numbers';

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Names and shapes, where a row "name norm C" stands for a batch norm. */
function stateDict(rows: readonly string[]): string[] {
  return rows.flatMap((row) => {
    const [name, shape, channels] = row.split(' ');
    if (shape !== 'norm') return [row];
    return ['weight', 'bias', 'running_mean', 'running_var'].map((key) => `${name}.${key} ${channels}`);
  });
}

/** As published: torchvision's table of weights, and timm's. */
const counts = { mobilenetV2: 3_504_872, efficientnetLite0: 4_652_008 };

test.each(['mobilenetV2', 'efficientnetLite0'] as const)(
  '%s has the state dict of the PyTorch model and as many parameters as published',
  (name) => {
    const model = models[name]();
    const state = [...model.tree().tensors].map(([key, t]) => `${key} ${t.shape.join('x')}`);
    expect(state).toEqual(stateDict(fixture.names[name]));
    const sizes = [...model.namedParameters().values()].map((p) => p.size);
    expect(sizes.reduce((a, b) => a + b)).toBe(counts[name]);
  },
);

test.each(['0.35', '0.75', '1.4'] as const)('widthMult %s rounds channels as torchvision does', (width) => {
  const norms = [
    ...models
      .mobilenetV2({ widthMult: Number(width) })
      .namedModules()
      .values(),
  ].filter((module) => module instanceof nn.BatchNorm2d);
  expect(norms.map((norm) => (norm as nn.BatchNorm2d).features).join(' ')).toBe(fixture.channels[width]);
});

const filled: Record<keyof typeof fixture.logits, () => nn.Module> = {
  mobilenetV2: () => models.mobilenetV2({ classes: 10 }),
  'mobilenetV2, width 0.25': () => models.mobilenetV2({ classes: 10, widthMult: 0.25 }),
  efficientnetLite0: () => models.efficientnetLite0({ classes: 10 }),
  'efficientnetLite0, odd sizes': () => models.efficientnetLite0({ classes: 10 }),
};

test.each(Object.keys(filled) as (keyof typeof fixture.logits)[])(
  'logits of %s equal PyTorch to 1e-4, by forward() and by predict()',
  async (name) => {
    const model = filled[name]();
    fillState(model);
    model.eval();
    const { shape, logits } = fixture.logits[name];
    const images = symmetric(sizeOf(shape), 1000, Math.sqrt(3));
    const scale = Math.max(...logits.map(Math.abs));
    const expectLogits = (actual: ArrayLike<number>): void => {
      expect(actual).toHaveLength(logits.length);
      logits.forEach((v, i) => expect(Math.abs(actual[i]! - v) / scale).toBeLessThan(1e-4));
    };
    const run = compile((x: Tensor) => model.forward(x));
    expectLogits(await (await run(tensor(images, shape))).data());
    // Folds batch norm into the convolutions.
    expectLogits(await model.predict(images, { shape: shape.slice(1), output: 'logits' }));
    model.dispose();
  },
);

describe('one training step of a small mobilenetV2', () => {
  const { shape, loss: expectedLoss, gradients } = fixture.step;

  function step(): { loss: number; found: Map<string, readonly [number, number]> } {
    const model = models.mobilenetV2({ classes: 10, widthMult: 0.25, dropout: 0 });
    fillState(model);
    const names = [...model.namedParameters().keys()];
    const run = compile((x: Tensor, labels: Tensor) => {
      const loss = losses.crossEntropy()(model.forward(x), labels);
      return [loss, ...grad(loss, model.parameters())];
    });
    const labels = Int32Array.from({ length: shape[0]! }, (_, i) => i % 10);
    const [loss, ...grads] = run.runSync(
      tensor(symmetric(sizeOf(shape), 1000, Math.sqrt(3)), shape),
      tensor(labels),
    );
    const found = new Map(
      grads.map((g, i) => {
        const values = g.dataSync();
        const probe = symmetric(g.size, 2000 + i, 1);
        let [squares, product] = [0, 0];
        for (let k = 0; k < values.length; k++) {
          squares += values[k]! ** 2;
          product += values[k]! * probe[k]!;
        }
        return [names[i]!, [Math.sqrt(squares), product] as const];
      }),
    );
    model.dispose();
    return { loss: loss!.itemSync(), found };
  }

  // Sums of float32 differ with their order; the reference target computes in float64, as the fixture.
  test.each([
    ['native', 1e-3],
    ['ref', 1e-7],
  ] as const)('on the %s target: loss and gradients equal PyTorch to %f', (target, tolerance) => {
    const { loss, found } = withTarget(target, step);
    expect(Math.abs(loss - expectedLoss) / expectedLoss).toBeLessThan(tolerance);
    expect([...found.keys()]).toEqual(Object.keys(gradients));
    for (const [name, [norm, product]] of Object.entries(gradients)) {
      // Biases that the next batch norm takes away have no gradient but rounding.
      const scale = Math.max(norm!, 1e-2);
      const [actualNorm, actualProduct] = found.get(name)!;
      const error = Math.max(Math.abs(actualNorm - norm!), Math.abs(actualProduct - product!)) / scale;
      expect([name, error < tolerance, error]).toEqual([name, true, error]);
    }
  });
});

describe('nn.invertedResidual', () => {
  test.each(['torchvision', 'timm'] as const)('%s names: adds x only where shapes stay', (names) => {
    const x = tensor(symmetric(4 * 36, 1, 1), [1, 4, 6, 6]);
    for (const [to, stride, shape] of [
      [4, 1, [1, 4, 6, 6]],
      [4, 2, [1, 4, 3, 3]],
      [8, 1, [1, 8, 6, 6]],
    ] as const) {
      const block = nn.invertedResidual<number, number>(4, to, { stride, names }).eval();
      // A body that returns 0 leaves x, where it is added.
      const last = [...block.namedParameters()].filter(([key]) => !key.includes('conv_')).slice(-2);
      last.forEach(([, p]) => p.storage.writeSync(new Float32Array(p.size)));
      const y = block.forward(x);
      expect(y.shape).toEqual(shape);
      const expected =
        to === 4 && stride === 1 ? [...x.dataSync()] : new Array<number>(sizeOf(shape)).fill(0);
      expect([...y.dataSync()]).toEqual(expected);
    }
  });

  test('bad settings', () => {
    expect(() => nn.invertedResidual(4, 4, { expansion: 0 })).toThrow('nn.invertedResidual: expansion');
    expect(() => nn.invertedResidual(4, 4, { stride: 70000 })).toThrow('at most 65535');
    expect(() => nn.invertedResidual(4, 4, { names: 'keras' as never })).toThrow(/torchvision/);
    expect(() => nn.invertedResidual(4, 4, { strides: 2 } as never)).toThrow('did you mean "stride"?');
  });
});

test('initial weights are those of torchvision and timm', () => {
  const std = (values: Float32Array): number =>
    Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
  const of = (model: nn.Module, name: string): Float32Array =>
    model.namedParameters().get(name)!.dataSync() as Float32Array;
  const mobile = models.mobilenetV2({ seed: 3 });
  // Kaiming's fan-out in PyTorch does not know groups.
  expect(std(of(mobile, 'features.17.conv.1.0.weight')) / Math.sqrt(2 / (960 * 9))).toBeCloseTo(1, 1);
  expect(std(of(mobile, 'features.18.0.weight')) / Math.sqrt(2 / 1280)).toBeCloseTo(1, 1);
  expect(std(of(mobile, 'classifier.1.weight'))).toBeCloseTo(0.01, 3);
  const lite = models.efficientnetLite0({ seed: 3 });
  expect(std(of(lite, 'blocks.5.1.conv_dw.weight')) / Math.sqrt(2 / 25)).toBeCloseTo(1, 1);
  expect(std(of(lite, 'conv_head.weight')) / Math.sqrt(2 / 1280)).toBeCloseTo(1, 1);
  const head = of(lite, 'classifier.weight');
  const largest = head.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(largest * Math.sqrt(1000)).toBeCloseTo(1, 2);
  for (const bias of [of(mobile, 'classifier.1.bias'), of(lite, 'classifier.bias')])
    expect(bias.every((v) => v === 0)).toBe(true);
});

test.each([
  ['mobilenetV2', () => models.mobilenetV2({ classes: 3, widthMult: 0.35, seed: 1 })],
  ['efficientnetLite0', () => models.efficientnetLite0({ classes: 3, seed: 1 })],
] as const)('%s is rebuilt from its file, and takes another head', async (_, make) => {
  const model = make();
  const bytes = await model.toBuffer();
  const again = await nn.load(bytes);
  expect(again.config()).toEqual(model.config());
  expect(Buffer.compare(await again.toBuffer(), bytes)).toBe(0);
  const images = symmetric(3 * 32 * 32, 5, 1);
  expect(await again.predict(images, { shape: [3, 32, 32] })).toEqual(
    await model.predict(images, { shape: [3, 32, 32] }),
  );
  model.replaceHead(nn.linear(1280, 5));
  expect(await model.predict(images, { shape: [3, 32, 32] })).toHaveLength(5);
});

test('bad options', () => {
  expect(() => models.mobilenetV2({ widthMult: 0 })).toThrow(OptionError);
  expect(() => models.mobilenetV2({ dropout: 2 })).toThrow('models.mobilenetV2: dropout');
  expect(() => models.mobilenetV2({ widthMul: 1 } as never)).toThrow('did you mean "widthMult"?');
  expect(() => models.efficientnetLite0({ widthMult: 1 } as never)).toThrow('unknown option "widthMult"');
});
