/** Initializers: moments and bounds by their formulas, reproducibility, and how a model gets them. */
import { OptionError, ShapeError } from '../../lib/errors';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { numel, type Shape } from '../../lib/tensor/shape';
import type { Initializer } from '../../lib/tensor/parameter';
import { tensor } from '../../lib/tensor/tensor';

const { init } = nn;

function draw(initializer: Initializer, shape: Shape, seed = 1, name = 'w'): number[] {
  return [...initializer(shape, seed, name).dataSync()];
}

function moments(values: readonly number[]): { mean: number; std: number; most: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length);
  return { mean, std, most: values.reduce((a, v) => Math.max(a, Math.abs(v)), 0) };
}

/** Convolution with fan-in 3 * 3 * 32 and fan-out 3 * 3 * 64. */
const conv = [64, 32, 3, 3];
const [fanIn, fanOut] = [288, 576];

test.each<[string, Initializer, number, boolean]>([
  ['xavierNormal', init.xavierNormal(), Math.sqrt(2 / (fanIn + fanOut)), false],
  [
    "xavierNormal, the lecture's 1 / sqrt(fan-in)",
    init.xavierNormal({ mode: 'fanIn' }),
    Math.sqrt(1 / fanIn),
    false,
  ],
  [
    'xavierNormal by fan-out',
    init.xavierNormal({ mode: 'fanOut', gain: 2 }),
    2 * Math.sqrt(1 / fanOut),
    false,
  ],
  ['xavierUniform', init.xavierUniform(), Math.sqrt(2 / (fanIn + fanOut)), true],
  ['kaimingNormal', init.kaimingNormal(), Math.sqrt(2 / fanIn), false],
  [
    'kaimingNormal of leaky ReLU',
    init.kaimingNormal(0.5, { mode: 'fanOut' }),
    Math.sqrt(2 / 1.25 / fanOut),
    false,
  ],
  ['kaimingUniform', init.kaimingUniform(), Math.sqrt(1 / 3 / fanIn), true],
  ['heNormal', init.heNormal(), Math.sqrt(2 / fanIn), false],
  ['heUniform', init.heUniform({ mode: 'fanAverage' }), Math.sqrt(4 / (fanIn + fanOut)), true],
  ['randomWalk', init.randomWalk(), (Math.SQRT2 * Math.exp(1.2 / (fanIn - 2.4))) / Math.sqrt(fanIn), false],
  [
    'randomWalk, linear',
    init.randomWalk({ activation: 'linear' }),
    Math.exp(0.5 / fanIn) / Math.sqrt(fanIn),
    false,
  ],
  ['orthogonal', init.orthogonal(3), 3 / Math.sqrt(fanIn), false],
  // Variance of a standard normal cut off at +-1: 1 - 2 phi(1) / (2 Phi(1) - 1)
  [
    'truncatedNormal',
    init.truncatedNormal(0, 0.5, { low: -0.5, high: 0.5 }),
    0.5 * Math.sqrt(0.291125),
    false,
  ],
])('%s has its deviation', (_, initializer, std, isUniform) => {
  const values = draw(initializer, conv);
  const measured = moments(values);
  // 18432 draws: the deviation is known to 0.5 %, the mean to 0.7 % of it.
  expect(measured.std / std).toBeGreaterThan(0.975);
  expect(measured.std / std).toBeLessThan(1.025);
  expect(Math.abs(measured.mean / std)).toBeLessThan(0.03);
  if (isUniform) {
    expect(measured.most).toBeLessThanOrEqual(Math.fround(std * Math.sqrt(3)) * (1 + 1e-6));
    expect(measured.most).toBeGreaterThan(std * Math.sqrt(3) * 0.99);
  }
  expect(draw(initializer, conv)).toEqual(values);
  expect(draw(initializer, conv, 2)).not.toEqual(values);
  expect(draw(initializer, conv, 1, 'v')).not.toEqual(values);
});

test('fans of grouped convolutions and linear layers', () => {
  const grouped = nn.conv2d(32, 64, { kernel: [3, 5], groups: 4 });
  expect(init.fanIn(grouped.weight.shape)).toBe((3 * 5 * 32) / 4);
  expect(init.fanOut(nn.linear(30, 20).weight.shape)).toBe(20);
  expect(() => init.fanIn([3])).toThrow(ShapeError);
});

test.each([[[20, 50]], [[50, 20]], [[7, 3, 2, 2]]])(
  'orthogonal of %p has orthonormal rows or columns',
  (shape) => {
    const values = draw(init.orthogonal(), shape);
    const [rows, columns] = [shape[0]!, numel(shape.slice(1))];
    const w = (r: number, c: number): number => values[r * columns + c]!;
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
    for (let a = 0; a < count; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = 0;
        for (let i = 0; i < length; i++) dot += rows <= columns ? w(a, i) * w(b, i) : w(i, a) * w(i, b);
        expect(Math.abs(dot - (a === b ? 1 : 0))).toBeLessThan(1e-6);
      }
    }
  },
);

test.each([
  [0, 1, -2, 2],
  [1, 2, 4, 9],
  [0, 1, -40, -30],
  [0, 1, -1e9, 0.5],
])('truncatedNormal(%p, %p) stays within [%p, %p]', (mean, std, low, high) => {
  const values = draw(init.truncatedNormal(mean, std, { low, high }), [4000]);
  expect(values.every((v) => v >= low && v <= high)).toBe(true);
  expect(moments(values).std).toBeGreaterThan(0);
});

describe('a model', () => {
  const make = (): nn.Sequential =>
    nn.sequential(nn.conv2d(1, 4, { kernel: 3 }), nn.batchNorm2d(4), nn.flatten(), nn.linear(16, 3));
  const read = (m: nn.Module): Record<string, number[]> =>
    Object.fromEntries([...m.namedParameters()].map(([name, p]) => [name, [...p.dataSync()]]));

  it('takes rules: the function first, then weights and biases by rank and name', () => {
    const net = make().initialize({
      seed: 5,
      weights: 'heNormal',
      biases: 'zeros',
      rule: (name) => (name === '3.bias' ? init.constant(7) : undefined),
    });
    const state = read(net);
    expect(state['3.bias']).toEqual([7, 7, 7]);
    expect(state['0.bias']).toEqual([0, 0, 0, 0]);
    expect(state['1.weight']).toEqual([1, 1, 1, 1]);
    expect(state['3.weight']).toEqual(draw(init.heNormal(), [3, 16], 5, '3.weight'));
    // The rules stay.
    expect(read(net.initialize({ seed: 6 }))['3.weight']).toEqual(
      draw(init.heNormal(), [3, 16], 6, '3.weight'),
    );
  });

  it('leaves layer norm of any shape as it is', () => {
    const net = nn.sequential(nn.conv2d(1, 2, { kernel: 1 }), nn.layerNorm([2, 2, 2]), nn.flatten());
    expect(read(net.initialize({ weights: 'heNormal' }))['1.weight']).toEqual(Array(8).fill(1));
  });

  it('takes initializers layer by layer', () => {
    const layer = nn
      .linear(5, 4, { weightInit: 'orthogonal', biasInit: init.constant(2) })
      .initialize({ seed: 3 });
    expect([...layer.bias!.dataSync()]).toEqual([2, 2, 2, 2]);
    expect([...layer.weight.dataSync()]).toEqual(draw(init.orthogonal(), [4, 5], 3, 'weight'));
    const image = nn.conv2d(2, 3, { kernel: 1, weightInit: init.truncatedNormal(0, 0.1) }).initialize();
    expect([...image.weight.dataSync()]).toEqual(
      draw(init.truncatedNormal(0, 0.1), [3, 2, 1, 1], 0, 'weight'),
    );
  });

  it('takes them in convolutions of all kinds', () => {
    const settings = { kernel: 2, weightInit: 'ones', biasInit: 'zeros' } as const;
    const makers = [nn.conv1d, nn.conv2d, nn.convTranspose1d, nn.convTranspose2d];
    for (const layer of makers.map((build) => build(2, 3, settings).initialize())) {
      expect([...layer.weight.dataSync()].every((v) => v === 1)).toBe(true);
      expect([...layer.bias!.dataSync()]).toEqual([0, 0, 0]);
    }
    const depthwise = nn.depthwiseConv2d(2, { ...settings, bias: false }).initialize();
    expect([...depthwise.weight.dataSync()]).toEqual(Array(8).fill(1));
  });

  it('refuses what is not an initializer', () => {
    expect(() => nn.linear(2, 2, { weightInit: 'heNorml' as 'heNormal' })).toThrow(
      'nn.linear: weightInit must be one of',
    );
    expect(() => make().initialize({ weights: 3 as unknown as 'zeros' })).toThrow(OptionError);
    expect(() => make().initialize({ rule: 'zeros' as unknown as () => undefined })).toThrow(OptionError);
    expect(() => init.xavierNormal({ gain: 0 })).toThrow(OptionError);
    expect(() => init.truncatedNormal(0, 1, { low: 1, high: 1 })).toThrow('low must be below high');
    expect(() => init.orthogonal()([3], 0, 'w')).toThrow(ShapeError);
  });
});

// The lecture: with all weights equal, hidden units cannot come apart.
test('zero weights leave all hidden units equal; small random ones start at ln(classes)', () => {
  const x = tensor(
    Float32Array.from({ length: 8 * 6 }, (_, i) => Math.sin(i * i)),
    [8, 6],
  );
  const net = nn.sequential(nn.linear(6, 5), nn.tanh(), nn.linear(5, 10));
  net.initialize({ weights: 'zeros', biases: 'zeros' });
  const hidden = [...(net.layers[0]!.forward(x).dataSync() as Float32Array)];
  expect(new Set(hidden).size).toBe(1);
  net.initialize({ weights: init.normal(0, 1e-3), biases: 'zeros' });
  const target = tensor(Int32Array.from({ length: 8 }, (_, i) => i));
  const loss = ops.mean(ops.crossEntropy(net.forward(x), target)).itemSync();
  expect(loss).toBeCloseTo(Math.log(10), 4);
});
