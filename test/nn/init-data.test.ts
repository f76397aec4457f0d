/**
 * Initial weights that follow from a batch: LSUV and data-dependent initialization do what their papers say.
 */
import { DataError, OptionError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';

const batch = tensor(symmetric(32 * 3 * 64, 4, 3), [32, 3, 8, 8]);

function network(): nn.Sequential {
  return nn.sequential(
    nn.conv2d(3, 8, { kernel: 3, padding: 1 }),
    nn.relu(),
    nn.conv2d(8, 16, { kernel: 3, stride: 2, groups: 2, bias: false }),
    nn.relu(),
    nn.dropout(),
    nn.flatten(),
    nn.linear(144, 40),
    nn.relu(),
    nn.linear(40, 10),
  );
}

/** Mean and variance of each channel of what the first layers give, and of all together. */
function outputs(net: nn.Sequential, layers: number): { mean: number[]; variance: number[]; all: number } {
  const y = net.layers.slice(0, layers).reduce((t: Tensor, layer) => layer.forward(t), batch);
  const rows = y.rank === 4 ? ops.reshape(ops.permute(y, [1, 0, 2, 3]), [y.shape[1]!, -1]) : ops.transpose(y);
  const values = [...rows.dataSync()];
  const size = rows.shape[1]!;
  const of = (v: number[]): [number, number] => {
    const mean = v.reduce((a, b) => a + b) / v.length;
    return [mean, v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length];
  };
  const channels = Array.from({ length: rows.shape[0]! }, (_, c) =>
    of(values.slice(c * size, (c + 1) * size)),
  );
  return { mean: channels.map((c) => c[0]), variance: channels.map((c) => c[1]), all: of(values)[1] };
}

test('LSUV gives every layer unit variance', async () => {
  const net = network().initialize({ weights: nn.init.normal(0, 5) });
  const report = await nn.init.lsuv(net, batch, { seed: 3 });
  expect(report.map((l) => l.path)).toEqual(['0', '2', '6', '8']);
  net.eval();
  for (const [i, layers] of [1, 3, 7, 9].entries()) {
    const { all } = outputs(net, layers);
    expect(Math.abs(all - 1)).toBeLessThan(0.1);
    expect(report[i]!.variance).toBeCloseTo(all, 4);
  }
  net.train();
  expect(net.training).toBe(true);
  const weights = [...net.parameters()[0]!.dataSync()];
  await nn.init.lsuv(net, batch, { seed: 3 });
  expect([...net.parameters()[0]!.dataSync()]).toEqual(weights);
});

test('LSUV scales products, not layer norm of any shape', async () => {
  const net = nn.sequential(
    nn.conv2d(3, 4, { kernel: 3 }),
    nn.layerNorm([4, 6, 6]),
    nn.flatten(),
    nn.linear(144, 5),
  );
  expect((await nn.init.lsuv(net, batch)).map((l) => l.path)).toEqual(['0', '3']);
  expect([...net.namedParameters().get('1.weight')!.dataSync()]).toEqual(Array(144).fill(1));
});

test('LSUV refuses a batch that does not vary, and bad options', async () => {
  const nothing = tensor(new Float32Array(batch.size), batch.shape);
  await expect(nn.init.lsuv(network(), nothing)).rejects.toThrow(DataError);
  await expect(nn.init.lsuv(network(), batch, { tolerance: 0 })).rejects.toThrow(OptionError);
  await expect(nn.init.lsuv(nn.relu(), batch)).rejects.toThrow('the model has no layer with weights');
});

test('data-dependent initialization: outputs of mean and variance as asked', async () => {
  const net = network().initialize({ seed: 2 });
  await nn.init.dataDependent(net, batch, { betweenLayers: false, bias: 0.25 });
  net.eval();
  for (const layers of [1, 7, 9]) {
    const { mean, variance } = outputs(net, layers);
    for (const m of mean) expect(m).toBeCloseTo(0.25, 4);
    for (const v of variance) expect(v).toBeCloseTo(1, 3);
  }
});

/**
 * Logarithms of each layer's mean gradient relative to its weights, for a random loss that nothing else uses.
 */
function rates(net: nn.Sequential): number[] {
  const weights = [...net.namedParameters()].filter(([, p]) => p.rank > 1).map(([, p]) => p);
  const total = weights.map(() => 0);
  for (let seed = 100; seed < 120; seed++) {
    const run = compile((x: Tensor) => {
      const y = net.forward(x);
      const g = grad(ops.sum(ops.mul(y, ops.randomNormal(y.shape, seed, 'rates'))), weights);
      return g.map((t, i) => ops.div(ops.sumSquares([t]), ops.sumSquares([weights[i]!])));
    });
    run.runSync(batch).forEach((t, i) => (total[i]! += t.itemSync()));
    run.dispose();
  }
  return total.map((t) => Math.log(t) / 2);
}

test('data-dependent initialization: layers learn at one rate', async () => {
  const spread = (v: number[]): number => Math.max(...v) - Math.min(...v);
  const net = network().initialize({ seed: 2 });
  await nn.init.dataDependent(net, batch, { betweenLayers: false });
  net.eval();
  const before = spread(rates(net));
  await nn.init.dataDependent(net.train(), batch, { iterations: 30 });
  net.eval();
  const after = spread(rates(net));
  expect(before).toBeGreaterThan(1);
  expect(after).toBeLessThan(0.2);
});

test('data-dependent initialization refuses transposed convolutions before it changes anything', async () => {
  const net = nn.sequential(
    nn.conv2d(3, 4, { kernel: 3 }),
    nn.relu(),
    nn.convTranspose2d(4, 4, { kernel: 2 }),
  );
  const before = await net.initialize({ seed: 2 }).toBuffer();
  await expect(nn.init.dataDependent(net, batch)).rejects.toThrow(
    "init.dataDependent: the weight of '2' is not [outputs, ...]",
  );
  expect(Buffer.compare(await net.toBuffer(), before)).toBe(0);
});
