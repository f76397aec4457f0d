import { OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import * as nn from '../../lib/nn';
import { tensor, type Tensor } from '../../lib/tensor/tensor';

const image = tensor(
  Float32Array.from({ length: 2 * 4 * 6 * 6 }, (_, i) => Math.sin(i)),
  [2, 4, 6, 6],
);

test.each<[string, nn.Module, number[]]>([
  [
    'conv2d',
    nn.conv2d(4, 6, { kernel: [3, 1], stride: 2, padding: [1, 0], groups: 2, bias: false }),
    [2, 6, 3, 3],
  ],
  ['batchNorm2d', nn.batchNorm2d(4, { affine: false }), [2, 4, 6, 6]],
  ['maxPool2d', nn.maxPool2d(3, { stride: 2, padding: 1 }), [2, 4, 3, 3]],
  ['avgPool2d', nn.avgPool2d(2, { countIncludePad: false }), [2, 4, 3, 3]],
  ['globalAvgPool2d', nn.globalAvgPool2d(), [2, 4, 1, 1]],
  ['adaptiveAvgPool2d', nn.adaptiveAvgPool2d([4, null]), [2, 4, 4, 6]],
  ['adaptiveMaxPool2d', nn.adaptiveMaxPool2d(5), [2, 4, 5, 5]],
  ['fractionalMaxPool2d', nn.fractionalMaxPool2d('overlapping', { outputRatio: [0.7, 0.5] }), [2, 4, 4, 3]],
  ['globalMaxPool2d', nn.globalMaxPool2d(), [2, 4, 1, 1]],
  ['depthwiseConv2d', nn.depthwiseConv2d(4, { kernel: 3, multiplier: 2 }), [2, 8, 4, 4]],
  [
    'convTranspose2d',
    nn.convTranspose2d(4, 6, { kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
    [2, 6, 12, 12],
  ],
  ['concat', nn.concat(nn.conv2d(4, 3, { kernel: 1 }), nn.identity()), [2, 7, 6, 6]],
  ['residual', nn.residual(nn.conv2d(4, 4, { kernel: 3, padding: 1 })), [2, 4, 6, 6]],
  ['namedSequential', nn.namedSequential({ a: nn.relu(), b: nn.flatten() }), [2, 144]],
  ['residualBlock', nn.residualBlock(4, 8, { stride: 2 }), [2, 8, 3, 3]],
  ['bottleneck', nn.bottleneck(4, 2), [2, 8, 6, 6]],
  ['cifarBlock', nn.cifarBlock(4, 8, { stride: 2 }), [2, 8, 3, 3]],
  ['flatten', nn.flatten(), [2, 144]],
  ['dropout', nn.dropout(), [2, 4, 6, 6]],
  ['dropout2d', nn.dropout2d(0.2), [2, 4, 6, 6]],
  ['identity', nn.identity(), [2, 4, 6, 6]],
  ['basicBlock', nn.basicBlock(4, 8, { stride: 2 }), [2, 8, 3, 3]],
  ['prelu', nn.prelu({ features: 4 }), [2, 4, 6, 6]],
  ...(
    [
      ...([
        'relu',
        'relu6',
        'gelu',
        'silu',
        'tanh',
        'sigmoid',
        'softmax',
        'logSoftmax',
        'leakyRelu',
      ] as const),
      ...(['elu', 'selu', 'mish', 'softplus', 'softsign', 'logSigmoid', 'prelu'] as const),
      ...(['hardTanh', 'hardSigmoid', 'hardSwish'] as const),
    ] as const
  ).map((name): [string, nn.Module, number[]] => [name, nn[name](), [2, 4, 6, 6]]),
])('%s', (_, layer, shape) => {
  layer.initialize();
  const y = layer.forward(image);
  expect(y.shape).toEqual(shape);
  expect(Array.from(y.dataSync()).every(Number.isFinite)).toBe(true);
});

test("initial weights are within PyTorch's bounds", () => {
  const conv = nn.conv2d(4, 8, { kernel: 3 }).initialize({ seed: 2 });
  const values = [...conv.weight.dataSync()];
  const bound = 1 / Math.sqrt(36);
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
  expect(Math.max(...values)).toBeGreaterThan(0.9 * bound);
  expect(Math.max(...Array.from(conv.bias!.dataSync(), Math.abs))).toBeLessThanOrEqual(bound);
});

test('batch norm moves its statistics in compiled training steps only', async () => {
  const norm = nn.batchNorm1d(2).initialize();
  const x = tensor([1, 10, 3, 30], [2, 2]);
  norm.forward(x).dataSync();
  expect([...norm.runningMean!.dataSync()]).toEqual([0, 0]);
  const run = compile((t: Tensor) => norm.forward(t));
  await run(x);
  expect([...norm.runningMean!.dataSync()]).toEqual([...Float32Array.of(0.2, 2)]);
  expect([...norm.runningVar!.dataSync()]).toEqual([...Float32Array.of(0.9 + 0.1 * 2, 0.9 + 0.1 * 200)]);
  norm.momentum = 1;
  await run(x);
  expect([...norm.runningMean!.dataSync()]).toEqual([...Float32Array.of(2, 20)]);
  norm.eval();
  const y = await (await run(x)).data();
  expect(y[0]).toBeCloseTo(-1 / Math.sqrt(2 + 1e-5), 5);
  expect([...norm.runningMean!.dataSync()]).toEqual([...Float32Array.of(2, 20)]);
  const untracked = nn.batchNorm1d(2, { trackRunningStats: false }).initialize().eval();
  expect(untracked.forward(x).dataSync()[0]).toBeCloseTo(-1, 4);
});

test('dropout: p is read at each run, evaluation passes everything', async () => {
  const drop = nn.dropout(0.5);
  const run = compile((t: Tensor) => drop.forward(t));
  const x = tensor(new Float32Array(1000).fill(1));
  const kept = async (): Promise<number> => (await (await run(x)).data()).filter((v) => v !== 0).length;
  const half = await kept();
  expect(half).toBeGreaterThan(400);
  expect(half).toBeLessThan(600);
  drop.p = 1;
  expect(await kept()).toBe(0);
  expect(run.profile()).toHaveLength(1);
  drop.eval();
  expect(await kept()).toBe(1000);
});

test('layers without settings refuse what they are given', () => {
  const { softplus, relu, flatten, identity, globalAvgPool2d, globalMaxPool2d } = nn as unknown as Record<
    string,
    (options?: unknown) => nn.Module
  >;
  expect(() => softplus!({ beta: 2 })).toThrow('nn.softplus: unknown option "beta"; it takes none');
  expect(() => relu!({ slope: 1 })).toThrow(OptionError);
  expect(() => flatten!(2)).toThrow('nn.flatten: options must be an object, got 2');
  expect(() => identity!({ x: 1 })).toThrow(OptionError);
  expect(() => globalAvgPool2d!(7)).toThrow('nn.globalAvgPool2d: options must be an object, got 7');
  expect(() => globalMaxPool2d!(7)).toThrow(OptionError);
  expect(flatten!({})).toBeInstanceOf(nn.Flatten);
});

test('bad options', () => {
  expect(() => nn.conv2d(3, 4, { kernel: 3, pading: 1 } as never)).toThrow('did you mean "padding"?');
  expect(() => nn.conv2d(3, 4, undefined as never)).toThrow('kernel');
  expect(() => nn.conv2d(3, 4, { kernel: 0 })).toThrow('kernel');
  expect(() => nn.conv2d(3, 4, { kernel: 1, groups: 2 })).toThrow('cannot be split into 2 groups');
  expect(() => nn.linear(0, 4)).toThrow('nn.linear: inFeatures must be a positive integer, got 0');
  expect(() => nn.linear(4, NaN)).toThrow('outFeatures');
  expect(() => nn.batchNorm2d(4, { momentum: NaN })).toThrow('momentum');
  expect(() => nn.batchNorm2d(4, { momentum: null as never })).toThrow('momentum must be a number');
  expect(() => nn.batchNorm2d(4, { eps: 0 })).toThrow('eps');
  expect(() => nn.dropout(1.5)).toThrow('nn.dropout: p must be a number from 0 to 1, got 1.5');
  expect(() => nn.leakyRelu({ slope: NaN })).toThrow('slope');
  expect(() => nn.elu({ alpha: Infinity })).toThrow('alpha');
  expect(() => nn.prelu({ features: 0 })).toThrow('nn.prelu: features');
  expect(() => nn.prelu({ features: 3 }).initialize().forward(image)).toThrow('weight must be [1] or [4]');
  expect(() => nn.hardTanh({ low: 1, high: 1 })).toThrow('low must be below high');
  expect(() => nn.gelu({ approximate: 'erf' as 'tanh' })).toThrow('approximate must be one of');
  expect(() => nn.softmax({ axis: 1.5 })).toThrow('axis must be a whole number, got 1.5');
  expect(() => nn.maxPool2d(2.5)).toThrow('kernel');
  expect(() => nn.maxPool2d(2, { padding: 2 })).toThrow('nn.maxPool2d: padding [2, 2] must be at most half');
  expect(() => nn.avgPool2d(2, { padding: 2 })).toThrow('nn.avgPool2d: padding [2, 2] must be at most half');
  expect(() => nn.basicBlock(4, 4, { stride: 0 })).toThrow('stride');
  expect(() => nn.conv1d(3, 4, {} as never)).toThrow('nn.conv1d: { kernel } must be given');
  expect(() => nn.conv1d(3, 4, { kernel: 3, stride: [1, 2] as never })).toThrow('stride');
  expect(() => nn.convTranspose2d(3, 4, { kernel: 2, groups: 2 })).toThrow('cannot be split into 2 groups');
  expect(() => nn.convTranspose1d(3, 4, { kernel: 2, outputPadding: 1 })).toThrow('outputPadding');
  expect(() => nn.depthwiseConv2d(4, { kernel: 3, groups: 2 } as never)).toThrow('unknown option');
  expect(() => nn.adaptiveAvgPool2d(0)).toThrow('nn.adaptiveAvgPool2d: size must be');
  expect(() => nn.namedSequential({ '0': nn.relu() })).toThrow("a stage's name must be a word");
  expect(() => nn.namedSequential({ a: 3 as never })).toThrow('stage "a" must be a module, got 3');
  expect(() => nn.concat()).toThrow('at least one layer');
  expect(() => nn.residual(nn.relu(), 1 as never)).toThrow('shortcut must be a module');
  expect(() => nn.residual(nn.globalAvgPool2d()).forward(image)).toThrow(
    'residual: the body returns [2, 4, 1, 1], the shortcut [2, 4, 6, 6]',
  );
  expect(() => nn.padShortcut(8, 4)).toThrow('4 channels are less than');
  expect(() => nn.cifarBlock(4, 8, { shortcut: 'C' as 'A' })).toThrow('shortcut');
});
