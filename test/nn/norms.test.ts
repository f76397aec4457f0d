/**
 * Normalization layers against PyTorch (test/fixtures/make_norms.py): outputs, gradients,
 * running statistics, saving.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { numel } from '../../lib/tensor/shape';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { symmetric } from '../fixtures/numbers';
import { expectClose } from '../ops/support';
import { values as fixtures } from '../fixtures/norms.json';

interface Fixture {
  readonly layer: string;
  readonly arguments: readonly unknown[];
  readonly shape: number[];
  readonly y: number[];
  readonly dx: number[];
  readonly gradients: Readonly<Record<string, number[]>>;
  readonly state: Readonly<Record<string, number[]>>;
  readonly evaluated: number[];
}

const cases = Object.entries(fixtures) as unknown as [string, Fixture][];

function make({ layer: name, arguments: settings }: Fixture): nn.Module {
  const build = Reflect.get(nn, name) as (...settings: readonly unknown[]) => nn.Module;
  const layer = build(...settings).initialize();
  [...layer.namedParameters()].forEach(([key, p], i) => {
    const one = key === 'weight' ? 1 : 0;
    p.storage.writeSync(symmetric(p.size, 10 + i, 0.5).map((v) => one + v));
  });
  return layer;
}

function input({ shape }: Fixture): Tensor {
  return tensor(
    symmetric(numel(shape), 1, 3).map((v) => 2 + v),
    shape,
  );
}

const tolerance = 2e-6;

describe.each(cases)("%s is PyTorch's", (_, fixture) => {
  it('in values, gradients and state', async () => {
    const layer = make(fixture);
    const parameters = [...layer.namedParameters()];
    const step = compile((x: Tensor, weights: Tensor) => {
      const y = layer.forward(x);
      const loss = ops.sum(ops.mul(y, weights));
      return [y, ...grad(loss, [x, ...parameters.map(([, p]) => p)])];
    });
    const x = input(fixture);
    const [y, dx, ...gradients] = await step(x, tensor(symmetric(x.size, 2, 1), fixture.shape));
    expectClose(await y!.data(), fixture.y, tolerance, 'y');
    expectClose(await dx!.data(), fixture.dx, tolerance, 'dx');
    expect(parameters.map(([key]) => key)).toEqual(Object.keys(fixture.gradients));
    for (const [i, [key]] of parameters.entries())
      expectClose(await gradients[i]!.data(), fixture.gradients[key]!, tolerance, key);
    const buffers = [...layer.namedBuffers()];
    expect(buffers.map(([key]) => key)).toEqual(Object.keys(fixture.state));
    for (const [key, b] of buffers) expectClose(await b.data(), fixture.state[key]!, tolerance, key);
    layer.eval();
    expectClose(await layer.forward(x).data(), fixture.evaluated, tolerance, 'evaluated');
  });

  it('and comes back from a file', async () => {
    const layer = make(fixture);
    const step = compile((x: Tensor) => layer.forward(x));
    await step(input(fixture));
    const folder = mkdtempSync(join(tmpdir(), 'tenon-'));
    await layer.save(join(folder, 'layer.safetensors'));
    const other = await nn.load(join(folder, 'layer.safetensors'));
    rmSync(folder, { recursive: true });
    layer.eval();
    const values = [layer, other].map((m) => [...m.forward(input(fixture)).dataSync()]);
    expect(values[1]).toEqual(values[0]);
    expect(other.config()).toEqual(layer.config());
  });
});

test('training with bf16 activations stays near', async () => {
  const net = nn.sequential(nn.conv2d(3, 8, { kernel: 3 }), nn.groupNorm(2, 8), nn.relu()).initialize();
  const x = tensor(symmetric(2 * 3 * 64, 1, 1), [2, 3, 8, 8]);
  const run = (precision: 'fp32' | 'bf16'): Promise<Tensor[]> =>
    compile(
      (t: Tensor) => {
        const loss = ops.mean(ops.square(net.forward(t)));
        return [loss, ...grad(loss, net.parameters())];
      },
      { precision },
    )(x);
  const [wide, narrow] = [await run('fp32'), await run('bf16')];
  for (const [i, t] of wide.entries())
    expectClose(await narrow[i]!.data(), await t.data(), 0.02, `value ${i}`);
});

test('bad settings and inputs are typed errors', () => {
  expect(() => nn.layerNorm(0)).toThrow(OptionError);
  expect(() => nn.layerNorm([])).toThrow('normalizedShape must be a number or an array');
  expect(() => nn.groupNorm(4, 6)).toThrow('6 channels cannot be split into 4 groups');
  expect(() => nn.groupNorm(2, 6, { eps: -1 })).toThrow(OptionError);
  expect(() => nn.instanceNorm2d(3, { momentum: 2 })).toThrow(OptionError);
  const x = tensor(new Float32Array(6), [2, 3, 1, 1]);
  expect(() => nn.instanceNorm2d(3).initialize().forward(x)).toThrow('more than one value per channel');
  expect(() => nn.instanceNorm1d(3).initialize().forward(x)).toThrow('instance_norm: expects x [N, 3, L]');
  expect(() => nn.groupNorm(1, 4).initialize().forward(x)).toThrow(ShapeError);
  expect(() => nn.layerNorm(5).initialize().forward(x)).toThrow(ShapeError);
  expect(() =>
    nn
      .batchNorm1d(3)
      .initialize()
      .forward(tensor([1, 2, 3], [1, 3])),
  ).toThrow('training needs more than one value per channel');
});
