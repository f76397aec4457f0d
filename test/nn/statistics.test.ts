/**
 * activationStatistics: its numbers against plain loops, the lecture's five nets in small, and that it
 * leaves no trace.
 */
import { OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

test('numbers are those of plain loops', async () => {
  const net = nn.sequential(nn.linear(6, 5), nn.relu(), nn.linear(5, 4), nn.tanh()).initialize({ seed: 1 });
  const x = tensor(symmetric(8 * 6, 1, 2), [8, 6]);
  const { layers } = await nn.activationStatistics(net, x, {
    loss: (y) => ops.sum(ops.square(y)),
    bins: 4,
    range: [-1, 1],
  });
  expect(layers.map((l) => [l.path, l.type, l.shape])).toEqual([
    ['0', 'Linear', [8, 5]],
    ['1', 'ReLU', [8, 5]],
    ['2', 'Linear', [8, 4]],
    ['3', 'Tanh', [8, 4]],
  ]);
  const y = [...net.forward(x).dataSync()];
  const mean = y.reduce((a, b) => a + b) / 32;
  const { activation, gradient, saturated } = layers[3]!;
  expect(activation.mean).toBeCloseTo(mean, 6);
  expect(activation.std).toBeCloseTo(Math.sqrt(y.reduce((a, v) => a + (v - mean) ** 2, 0) / 32), 6);
  expect([activation.min, activation.max]).toEqual([Math.min(...y), Math.max(...y)]);
  const bars = [0, 0, 0, 0];
  y.forEach((v) => bars[Math.floor((v + 1) * 2)]!++);
  expect(activation.histogram).toEqual({ low: -1, high: 1, counts: bars });
  expect(saturated).toBe(y.filter((v) => Math.abs(v) > 0.98).length / 32);
  // The gradient of the sum of squares is twice the outputs.
  expect(gradient!.mean).toBeCloseTo(2 * mean, 6);
  const hidden = [...net.layers[1]!.forward(net.layers[0]!.forward(x)).dataSync()];
  const dead = [0, 1, 2, 3, 4].filter((u) => hidden.every((v, i) => i % 5 !== u || v === 0)).length / 5;
  expect(layers[1]!.dead).toBe(dead);
  expect(layers[1]!.activation.zeros).toBe(hidden.filter((v) => v === 0).length / 40);
  expect(layers[0]!.dead).toBeUndefined();
});

/** Six layers of one width behind an input of unit variance. */
function deep(activation: () => nn.Module, weights: nn.init.InitializerLike): nn.Sequential {
  const width = 256;
  const layers = Array.from({ length: 6 }, () => [nn.linear(width, width), activation()]).flat();
  return nn.sequential(...layers).initialize({ seed: 1, weights, biases: 'zeros' });
}

test.each<[string, () => nn.Module, nn.init.InitializerLike, (std: number[]) => boolean]>([
  ['tanh, 0.01: dies', nn.tanh, nn.init.normal(0, 0.01), (s) => s[5]! < 1e-3 * s[0]!],
  ['tanh, 0.2: saturates', nn.tanh, nn.init.normal(0, 0.2), (s) => s[5]! > 0.75],
  ['tanh, Xavier: lives', nn.tanh, 'xavierNormal', (s) => s[5]! > 0.25 && s[5]! < 0.6],
  ['ReLU, Xavier: dies slowly', nn.relu, 'xavierNormal', (s) => s[5]! < 0.3 * s[0]!],
  ['ReLU, He: lives', nn.relu, 'heNormal', (s) => s[5]! > 0.7 * s[0]! && s[5]! < 1.4 * s[0]!],
])("the lecture's net: %s", async (_, activation, weights, expected) => {
  const net = deep(activation, weights);
  const x = ops.randomNormal([64, 256], 9, 'input').dataSync();
  const statistics = await nn.activationStatistics(net, tensor(x, [64, 256]));
  const rows = statistics.layers.filter((l) => l.saturated !== undefined || l.dead !== undefined);
  expect(rows).toHaveLength(6);
  expect(rows.every((l) => l.gradient !== undefined)).toBe(true);
  expect(expected(rows.map((l) => l.activation.std))).toBe(true);
  expect(String(statistics).split('\n')).toHaveLength(13);
});

test('looking changes neither statistics nor later random draws', async () => {
  const make = (): nn.Sequential =>
    nn.sequential(
      nn.conv2d(1, 2, { kernel: 3 }),
      nn.batchNorm2d(2),
      nn.relu(),
      nn.dropout(),
      nn.basicBlock(2, 4),
    );
  const net = make().initialize({ seed: 1 });
  const x = tensor(symmetric(4 * 49, 1, 2), [4, 1, 7, 7]);
  const { layers } = await nn.activationStatistics(net, x);
  expect(layers.map((l) => l.path)).toContain('4.short.0');
  expect(layers.at(-1)!.path).toBe('4');
  const statistics = [...net.namedBuffers()].flatMap(([name, b]) => [...b.dataSync()].map((v) => [name, v]));
  expect(statistics.every(([name, v]) => v === (String(name).endsWith('mean') ? 0 : 1))).toBe(true);
  const twice = await nn.activationStatistics(net, x);
  expect(twice.layers).toEqual(layers);
  const inEvaluation = await nn.activationStatistics(net, x, { evaluation: true, gradients: false });
  expect(inEvaluation.layers[1]!.activation.mean).not.toBeCloseTo(layers[1]!.activation.mean, 3);
  expect(inEvaluation.layers[1]!.gradient).toBeUndefined();
  expect(net.training).toBe(true);
  await compile((t: typeof x) => net.forward(t))(x);
  expect([...net.namedBuffers().get('1.running_mean')!.dataSync()]).not.toEqual([0, 0]);
});

test('containers that only repeat their last layer are left out', async () => {
  const net = nn.namedSequential({
    stem: nn.sequential(nn.linear(2, 3), nn.relu()),
    head: nn.namedSequential({ fc: nn.linear(3, 2) }),
  });
  const { layers } = await nn.activationStatistics(net, tensor([1, 2, 3, 4], [2, 2]));
  expect(layers.map((l) => l.path)).toEqual(['stem.0', 'stem.1', 'head.fc']);
});

test('a part that the loss does not see has no gradient; NaN is counted', async () => {
  class Two extends nn.Module {
    readonly used = nn.linear(2, 2);
    readonly unused = nn.linear(2, 2);
    override forward(x: ReturnType<typeof tensor>): ReturnType<typeof tensor> {
      this.unused.forward(x);
      return this.used.forward(x);
    }
  }
  const { layers } = await nn.activationStatistics(new Two(), tensor([1, NaN, 3, 4], [2, 2]));
  expect(layers.map((l) => [l.path, l.gradient !== undefined, l.activation.nonFinite])).toEqual([
    ['unused', false, 2],
    ['used', true, 2],
  ]);
  await expect(nn.activationStatistics(nn.relu(), tensor([1]), { bins: 0 })).rejects.toThrow(OptionError);
  await expect(nn.activationStatistics(nn.relu(), tensor([1]), { range: [1, 0] })).rejects.toThrow(
    OptionError,
  );
});
