import { compile, type CompileOptions } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { assign } from '../../lib/graph/trace';
import { crossEntropy } from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { RandomState } from '../../lib/random';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { distinct } from '../ops/support';

/** A residual network with everything that has a bf16 form. */
function network(): nn.Module {
  return nn
    .sequential(
      nn.conv2d(3, 8, { kernel: 3, padding: 1, bias: false }),
      nn.batchNorm2d(8),
      nn.relu(),
      nn.basicBlock(8, 8),
      nn.conv2d(8, 12, { kernel: 3, stride: 2, padding: 1 }),
      nn.tanh(),
      nn.maxPool2d(2),
      nn.flatten(),
      nn.dropout(0.2),
      nn.linear(12 * 2 * 2, 20),
      nn.relu(),
      nn.linear(20, 5),
    )
    .initialize({ seed: 4 });
}

/** Without relu and max pooling, where a rounded value can send a gradient another way altogether. */
function smoothNetwork(): nn.Module {
  return nn
    .sequential(
      nn.conv2d(3, 8, { kernel: 3, padding: 1, bias: false }),
      nn.batchNorm2d(8),
      nn.silu(),
      nn.conv2d(8, 12, { kernel: 3, stride: 2, padding: 1 }),
      nn.tanh(),
      nn.avgPool2d(2),
      nn.flatten(),
      nn.linear(12 * 2 * 2, 20),
      nn.sigmoid(),
      nn.linear(20, 5),
    )
    .initialize({ seed: 4 });
}

const x = tensor(
  distinct([6, 3, 8, 8]).map((v) => Math.sin(9 * v)),
  [6, 3, 8, 8],
);
const labels = tensor(Int32Array.of(0, 1, 2, 3, 4, 0));

/** Loss and gradients of every parameter, by name. */
function gradients(options: CompileOptions, model = network()): Map<string, number[]> {
  const names = [...model.namedParameters().keys()];
  const program = compile(
    (input: Tensor, target: Tensor) => {
      const loss = crossEntropy()(model.forward(input), target);
      const all = grad(loss);
      return [loss, ...model.parameters().map((p) => all.get(p)!)];
    },
    { random: new RandomState(7), ...options },
  );
  const values = program.runSync(x, labels).map((t) => Array.from(t.dataSync()));
  program.dispose();
  return new Map(['loss', ...names].map((name, i) => [name, values[i]!]));
}

function distance(a: readonly number[], b: readonly number[]): number {
  const norm = (v: readonly number[]): number => Math.sqrt(v.reduce((sum, e) => sum + e * e, 0));
  return norm(a.map((v, i) => v - b[i]!)) / Math.max(1e-3, norm(b));
}

describe('bf16 precision', () => {
  it('gives nearly the gradients of fp32, but not the same', () => {
    const wide = gradients({}, smoothNetwork());
    const narrow = gradients({ precision: 'bf16' }, smoothNetwork());
    for (const [name, value] of narrow)
      expect([name, distance(value, wide.get(name)!) < 0.06]).toEqual([name, true]);
    expect(distance(narrow.get('loss')!, wide.get('loss')!)).toBeLessThan(0.01);
    expect(narrow.get('0.weight')).not.toEqual(wide.get('0.weight'));
  });

  it('has the same bits with and without fusion', () => {
    expect(gradients({ precision: 'bf16', fuse: false })).toEqual(gradients({ precision: 'bf16' }));
  });

  it('stores activations as bf16 and multiplies them as such, with few casts', () => {
    const model = network();
    const program = compile(
      (input: Tensor, target: Tensor) => {
        for (const [p, g] of grad(crossEntropy()(model.forward(input), target)).entries())
          assign(p, ops.sub(p, ops.mul(g, 0.1)));
        return {};
      },
      { precision: 'bf16' },
    );
    const rows = 64; // from which on linear layers are bf16
    const inputs = tensor(new Float32Array(rows * 3 * 8 * 8), [rows, 3, 8, 8]);
    const kernels = program
      .prepare(inputs, tensor(new Int32Array(rows)))
      .profile()
      .map((call) => call.kernel);
    expect(kernels.filter((name) => name === 'conv2d_bf16')).toHaveLength(4);
    expect(kernels.filter((name) => name === 'conv2d_backward_weights_bf16')).toHaveLength(4);
    expect(kernels).not.toContain('conv2d');
    expect(kernels).not.toContain('matmul');
    // The input, and the gradient of the logits.
    expect(kernels.filter((name) => name === 'cast')).toHaveLength(2);
    program.dispose();
  });

  it('says in profiles by which rule a product stays in fp32', () => {
    const multiply = compile((a: Tensor, b: Tensor) => ops.matmul(a, b), { precision: 'bf16' });
    const notes = (rows: number) =>
      multiply
        .prepare(tensor(new Float32Array(rows * 4), [rows, 4]), tensor(new Float32Array(16), [4, 4]))
        .profile()
        .filter(({ op }) => op === 'matmul')
        .map(({ kernel, note }) => [kernel, note]);
    expect(notes(63)).toEqual([['matmul', 'fp32: fewer than 64 rows']]);
    expect(notes(64)).toEqual([['matmul_bf16', undefined]]);
    multiply.dispose();
  });

  const pointwise: Record<string, (t: Tensor) => Tensor> = {
    softplus: ops.softplus,
    mish: ops.mish,
    logSigmoid: ops.logSigmoid,
    softsign: ops.softsign,
    selu: ops.selu,
    hardSigmoid: ops.hardSigmoid,
    hardSwish: ops.hardSwish,
    geluTanh: ops.geluTanh,
  };

  it.each(Object.entries(pointwise))('stores what %s computes as bf16, near fp32', (name, fn) => {
    const [w, v] = [tensor(distinct([8, 8]), [8, 8]), tensor(distinct([8, 8], 2), [8, 8])];
    const steps = (['fp32', 'bf16'] as const).map((precision) =>
      compile(
        (a: Tensor) => {
          const loss = ops.sum(ops.square(ops.linear(fn(ops.linear(a, w)), v)));
          return [loss, ...grad(loss, [w])];
        },
        { precision },
      ),
    );
    const a = tensor(distinct([64, 8], 3), [64, 8]);
    const calls = steps[1]!.prepare(a).lowered.calls;
    const inside = calls.filter((call) => call.outputs[0]!.dims.join() === '64,8');
    expect(
      inside.filter((call) => call.outputs[0]!.dtype === 'f32').map((call) => [name, call.kernel]),
    ).toEqual([]);
    const [wide, narrow] = steps.map((step) => step.runSync(a).map((t) => Array.from(t.dataSync())));
    narrow!.forEach((values, i) => expect(distance(values, wide![i]!)).toBeLessThan(0.03));
    expect(narrow![1]).not.toEqual(wide![1]);
    for (const step of steps) step.dispose();
  });

  it('computes the cross entropy of logits in f32, from logits in f32', () => {
    const w = tensor(distinct([8, 8]), [8, 8]);
    const targets = tensor(
      distinct([6, 8], 2).map((t) => Number(t > 0)),
      [6, 8],
    );
    const step = compile((a: Tensor) => ops.binaryCrossEntropyWithLogits(ops.linear(a, w), targets), {
      precision: 'bf16',
    });
    const { calls } = step.prepare(tensor(distinct([6, 8], 3), [6, 8])).lowered;
    expect(calls.filter((call) => call.kernel === 'softplus')).toHaveLength(2);
    for (const { kernel, outputs } of calls)
      expect([kernel, outputs[0]!.dtype]).toEqual([kernel, kernel === 'cast' ? 'bf16' : 'f32']);
    step.dispose();
  });

  it('keeps what leaves the program, and what mixes with f32, in f32', async () => {
    const w = tensor(distinct([4, 4]), [4, 4]);
    const f = compile(
      (a: Tensor, b: Tensor) => [ops.relu(ops.linear(a, w)), ops.add(ops.relu(ops.linear(a, w)), b)],
      {
        precision: 'bf16',
      },
    );
    const a = tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);
    const [y, sum] = await f(a, tensor(new Float32Array(8).fill(1 / 1024), [2, 4]));
    const [values, sums] = [await y!.data(), await sum!.data()];
    expect(y!.dtype).toBe('f32');
    sums.forEach((v, i) => expect(v).toBe(Math.fround(values[i]! + 1 / 1024)));
    f.dispose();
  });

  it('is an option of compile, checked', () => {
    expect(() => compile(() => ops.ones([1]), { precision: 'fp16' as never })).toThrow(
      'compile: precision must be one of "fp32", "bf16"',
    );
  });

  describe('keeps fp32 where it would be slower', () => {
    const run = (rows: number, width: number, options: CompileOptions): number[] => {
      const layer = nn.linear(width, 1024, { bias: false }).initialize({ seed: 2 });
      const input = tensor(
        Array.from({ length: rows * width }, (_, i) => Math.sin(i)),
        [rows, width],
      );
      const program = compile((t: Tensor) => layer.forward(t), options);
      const result = Array.from(program.runSync(input).dataSync());
      program.dispose();
      return result;
    };

    it.each([
      ['training', 63, 32, 'train', true],
      ['training', 64, 32, 'train', false],
      ['training', 2, 1024, 'train', true],
      ['predictions', 2, 1023, 'predict', true],
      ['predictions', 2, 1024, 'predict', false],
    ] as const)('%s of %d rows and %d inputs', (_, rows, width, queue, same) => {
      const wide = run(rows, width, { queue });
      const narrow = run(rows, width, { queue, precision: 'bf16' });
      expect(distance(narrow, wide)).toBeLessThan(0.02);
      expect(narrow.every((v, i) => v === wide[i])).toBe(same);
    });
  });
});
