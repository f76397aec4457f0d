import {
  NonFiniteError,
  OptionError,
  ShapeError,
  StaleTensorError,
  TraceError,
  UninitializedError,
} from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { applyOp, first, type OpRecord } from '../../lib/graph/op';
import { assign } from '../../lib/graph/trace';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { Parameter } from '../../lib/tensor/parameter';
import { Storage } from '../../lib/tensor/storage';
import { persistent, runtimeScalar, tensor, zeros, type Tensor } from '../../lib/tensor/tensor';
import { checkGradients, testOp } from '../ops/support';
import { expectTurns } from '../support/turns';

const values = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

describe('compile', () => {
  it('records once per signature and gives structures back', async () => {
    let recorded = 0;
    const f = compile((batch: { x: Tensor; scale: number }) => {
      recorded++;
      return { doubled: ops.mul(batch.x, batch.scale), list: [ops.sum(batch.x)] };
    });
    const one = await f({ x: tensor([1, 2]), scale: 2 });
    expect(await values(one.doubled)).toEqual([2, 4]);
    expect(await values(one.list[0]!)).toEqual([3]);
    await f({ x: tensor([3, 4]), scale: 2 });
    expect(recorded).toBe(1);
    await f({ x: tensor([3, 4, 5]), scale: 2 });
    await f({ x: tensor([3, 4]), scale: 3 });
    expect(recorded).toBe(3);
    expect(Array.from(f.runSync({ x: tensor([3, 4]), scale: 3 }).doubled.dataSync())).toEqual([9, 12]);
  });

  it('keeps a bounded number of programs, dropping the least recently used', async () => {
    let recorded = 0;
    const f = compile((x: Tensor) => (recorded++, ops.neg(x)), { cacheSize: 2 });
    for (const n of [1, 2, 1, 3, 1, 2]) await f(tensor(new Float32Array(n)));
    // 1, 2, 3 are recorded; 3 pushes 2 out, so the last 2 is recorded again; 1 stays throughout.
    expect(recorded).toBe(4);
  });

  it('one tensor in two places is two arguments', async () => {
    const f = compile((a: Tensor, b: Tensor) => ops.sub(a, b));
    const x = tensor([1, 2]);
    expect(await values(await f(x, x))).toEqual([0, 0]);
    expect(await values(await f(tensor([5, 6]), tensor([1, 1])))).toEqual([4, 5]);
  });

  it('texts among the arguments are told apart, whatever is in them', async () => {
    const f = compile((x: Tensor, ...names: string[]) => ops.mul(x, names.length));
    expect(await values(await f(tensor([1]), 'x', 'y'))).toEqual([2]);
    expect(await values(await f(tensor([1]), 'x,string:y'))).toEqual([1]);
    expect(await values(await f(tensor([1]), 'x","y'))).toEqual([1]);
  });

  it('a view of what was before an update is not what is after it', async () => {
    const weight = new Parameter([2, 2], (shape) => ops.full(shape, 3));
    const storage = new Storage([2, 2], 'f32');
    storage.writeSync(new Float32Array(4).fill(3));
    weight.materialize(storage);
    const optimizer = optim.sgd({ lr: 1 });
    const step = compile(() => {
      const before = ops.reshape(weight, [4]);
      optimizer.update(grad(ops.sum(weight)));
      return ops.sub(ops.reshape(weight, [4]), before);
    });
    expect(await values(await step())).toEqual([-1, -1, -1, -1]);
    expect(await values(await step())).toEqual([-1, -1, -1, -1]);
    expect([...weight.dataSync()]).toEqual([1, 1, 1, 1]);
  });

  it('a recipe whose buffer has changed since is refused as an argument, too', async () => {
    const buffer = persistent([1]);
    const recipe = ops.add(buffer, 1);
    await compile(() => assign(buffer, ops.add(buffer, 10)))();
    await expect(recipe.data()).rejects.toThrow(StaleTensorError);
    await expect(compile((x: Tensor) => ops.add(x, 0))(recipe)).rejects.toThrow(StaleTensorError);
  });

  it('options are checked at once', () => {
    expect(() => compile(5 as never)).toThrow(OptionError);
    expect(() => grad(5 as never)).toThrow(expect.objectContaining({ code: 'ERR_TENON_DTYPE' }));
    expect(() => compile(() => [], { cacheSize: 0 })).toThrow('cacheSize');
    expect(() => compile(() => [], { queue: 'fast' as 'train' })).toThrow('queue');
  });

  it('runtime scalars change without compiling', async () => {
    let [lr, recorded] = [0.5, 0];
    const scalar = runtimeScalar(() => lr);
    const f = compile((x: Tensor) => (recorded++, ops.mul(x, ops.fromScalar(scalar))));
    expect(await values(await f(tensor([4])))).toEqual([2]);
    lr = 0.25;
    expect(await values(await f(tensor([4])))).toEqual([1]);
    expect(recorded).toBe(1);
  });

  it('leaves the event loop free', async () => {
    const big = tensor(new Float32Array(700 * 700).fill(1), [700, 700]);
    const f = compile((x: Tensor) => {
      let y = x;
      for (let i = 0; i < 20; i++) y = ops.tanh(ops.matmul(y, x));
      return ops.sum(y);
    });
    f.prepare(big);
    await expectTurns(() => f(big));
  });

  it('prepareAsync gives the event loop turns while it compiles, once', async () => {
    let recorded = 0;
    const f = compile((x: Tensor) => {
      recorded++;
      return ops.relu(ops.add(x, 1));
    });
    let turns = 0;
    const count = (): void => void (turns++, (next = setImmediate(count)));
    let next = setImmediate(count);
    const program = await f.prepareAsync(tensor([-2, 3]));
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(3);
    expect(await f.prepareAsync(tensor([5, 6]))).toBe(program);
    expect(f.prepare(tensor([5, 6]))).toBe(program);
    expect(await values(await f(tensor([-2, 3])))).toEqual([0, 4]);
    expect(recorded).toBe(1);
  });

  it('what is prepared several times at once, or run meanwhile, is one program', async () => {
    const f = compile((x: Tensor) => ops.relu(x));
    const [one, two] = await Promise.all([1, 2].map(() => f.prepareAsync(tensor([1, 2]))));
    expect(one).toBe(two);
    const pending = f.prepareAsync(tensor([1, 2, 3]));
    expect([...f.runSync(tensor([-1, 2, 3])).dataSync()]).toEqual([0, 2, 3]);
    expect(await pending).toBe(f.prepare(tensor([1, 2, 3])));
    expect(f.profile()).toHaveLength(2);
    await expect(
      compile((x: Tensor) => ops.add(x, tensor([1, 2]))).prepareAsync(tensor([1, 2, 3])),
    ).rejects.toThrow(ShapeError);
  });

  it('rejects what cannot be recorded', async () => {
    await expect(compile(async (x: Tensor) => Promise.resolve(x))(tensor([1]))).rejects.toThrow(TraceError);
    await expect(compile(() => new Map())()).rejects.toThrow(/returned value/);
    await expect(compile((x: Tensor) => x.dataSync())(tensor([1]))).rejects.toThrow(TraceError);
    expect(() => compile((x: Tensor) => x, { cachesize: 2 } as object)).toThrow(OptionError);
    const inner = compile((x: Tensor) => ops.neg(x));
    await expect(compile((x: Tensor) => inner.runSync(x))(tensor([1]))).rejects.toThrow(TraceError);
    let leaked: Tensor | undefined;
    await compile((x: Tensor) => (leaked = ops.neg(x)))(tensor([1]));
    await expect(leaked!.data()).rejects.toThrow(TraceError);
  });

  it('returns arguments, literals and parameters as they are', async () => {
    const w = persistent([7, 8]);
    const image = tensor(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [1, 3, 2, 2],
    );
    const f = compile((x: Tensor) => [x, tensor([5]), w]);
    const [x, literal, weight] = await f(image);
    expect(await values(x!)).toEqual(await values(image));
    expect(await values(literal!)).toEqual([5]);
    expect(await values(weight!)).toEqual([7, 8]);
  });
});

describe('assign', () => {
  it('is seen by later reads of the trace and committed at the end', async () => {
    const w = persistent([1, 2]);
    const f = compile(() => {
      const before = ops.mul(w, 1);
      assign(w, ops.add(w, 10));
      return [before, ops.mul(w, 1)];
    });
    const [before, after] = await f();
    expect([await values(before!), await values(after!), await values(w)]).toEqual([
      [1, 2],
      [11, 12],
      [11, 12],
    ]);
  });

  it('swaps', async () => {
    const [a, b] = [persistent([1]), persistent([2])];
    const swap = compile(() => {
      const [oldA, oldB] = [ops.mul(a, 1), ops.mul(b, 1)];
      assign(a, oldB);
      assign(b, oldA);
    });
    await swap();
    expect([await values(a), await values(b)]).toEqual([[2], [1]]);
  });

  it('swaps the buffers themselves', async () => {
    const [a, b, c] = [persistent([1]), persistent([2]), persistent([3])];
    const rotate = compile(() => {
      const chain = [a, b, c];
      const old = chain.map((t) => ops.reshape(t, [1, 1])).map((t) => ops.reshape(t, [1]));
      assign(a, old[1]!);
      assign(b, old[2]!);
      assign(c, old[0]!);
    });
    await rotate();
    expect([await values(a), await values(b), await values(c)]).toEqual([[2], [3], [1]]);
  });

  it('an in-place update does not disturb readers of the old value', async () => {
    const w = persistent([1, 1]);
    const scalars = { lr: 0.5, momentum: 0, dampening: 0, weightDecay: 0, step: 1 };
    const s = Object.fromEntries(
      Object.entries(scalars).map(([k, v]) => [k, runtimeScalar(() => v)]),
    ) as Parameters<typeof optim.Sgd.rule>[0];
    const f = compile((g: Tensor) => {
      const { weights } = optim.Sgd.rule(s, { weights: [w], gradients: [g], states: [] });
      const old = ops.mul(w, 3);
      assign(w, weights[0]!);
      return [old, ops.mul(w, 1)];
    });
    const [old, now] = await f(tensor([2, 4]));
    expect([await values(old!), await values(now!), await values(w)]).toEqual([
      [3, 3],
      [0, -1],
      [0, -1],
    ]);
  });

  it('makes constants and random numbers in the memory that they are assigned to', async () => {
    const [a, b] = [zeros([1000]), zeros([1000])];
    const draw = (): Tensor => ops.randomNormal([1000], 3, 'b');
    const f = compile(() => {
      assign(a, ops.full([1000], 3));
      assign(b, draw());
    });
    expect(f.prepare().arenaBytes).toBe(0);
    await f();
    expect(await values(a)).toEqual(Array(1000).fill(3));
    expect(await values(b)).toEqual(await values(draw()));
  });

  it('copies them where something else sees them, or the old contents', async () => {
    const [a, b, c, d] = [persistent([1]), persistent([2]), persistent([3]), persistent([4])];
    const f = compile(() => {
      const [five, six, seven] = [ops.full([1], 5), ops.full([1], 6), ops.full([1], 7)];
      const old = ops.mul(d, 1);
      assign(a, five);
      assign(b, five);
      assign(c, six);
      assign(d, seven);
      return [ops.mul(six, 2), old];
    });
    const [twelve, old] = await f();
    expect(await Promise.all([a, b, c, d, twelve!, old!].map(values))).toEqual([
      [5],
      [5],
      [6],
      [7],
      [12],
      [4],
    ]);
  });

  it('makes nothing there in a run that is refused', async () => {
    const w = persistent([1]);
    const guard = zeros([1], 'i32');
    const f = compile((loss: Tensor) => {
      assign(guard, ops.finiteGuard(guard, [loss]));
      assign(w, ops.full([1], 2));
    });
    await expect(f(tensor([NaN]))).rejects.toThrow(NonFiniteError);
    expect(await values(w)).toEqual([1]);
  });

  it('checks its arguments', async () => {
    const w = zeros([2]);
    expect(() => assign(w, tensor([1, 2]))).toThrow(TraceError);
    await expect(compile(() => assign(w, tensor([1])))()).rejects.toThrow(ShapeError);
    await expect(compile((x: Tensor) => assign(x, tensor([1])))(tensor([1]))).rejects.toThrow(TraceError);
  });
});

describe('recipes', () => {
  it('go stale when a buffer they read changes', async () => {
    const w = persistent([1]);
    const recipe = ops.mul(w, 2);
    expect(await values(recipe)).toEqual([2]);
    await compile(() => assign(w, tensor([5])))();
    await expect(recipe.data()).rejects.toThrow(StaleTensorError);
    expect(await values(ops.mul(w, 2))).toEqual([10]);
  });

  it('take nested lists, whose shape they show', async () => {
    const matrix = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([matrix.shape, await values(matrix)]).toEqual([
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
    expect(tensor([[[1], [2]]]).shape).toEqual([1, 2, 1]);
    expect(tensor([[1, 2]], [2]).shape).toEqual([2]);
    expect(tensor([]).shape).toEqual([0]);
    for (const ragged of [
      [[1, 2], [3]],
      [[1], 2],
      [1, [2]],
    ])
      expect(() => tensor(ragged as never)).toThrow(
        expect.objectContaining({ name: expect.stringMatching(/Shape|DType/) }),
      );
    const endless: unknown[] = [];
    endless.push(endless);
    expect(() => tensor(endless as never)).toThrow(expect.objectContaining({ code: expect.any(String) }));
  });

  it('refuse what is not a number', () => {
    for (const bad of ['12', null, undefined, [undefined], ['1'], [1n], BigInt64Array.of(1n), {}])
      expect(() => tensor(bad as never)).toThrow(expect.objectContaining({ code: 'ERR_TENON_DTYPE' }));
    for (const dtype of ['bf16', 'foo'])
      expect(() => tensor([1], [1], dtype as never)).toThrow(
        expect.objectContaining({ code: 'ERR_TENON_OPTION' }),
      );
  });

  it('copy what they are given and give copies', async () => {
    const array = Float32Array.of(1, 2);
    const t = tensor(array);
    array[0] = 9;
    (await t.data())[1] = 9;
    expect(await values(t)).toEqual([1, 2]);
  });

  it('a parameter without values says what to do', () => {
    const p = new Parameter([2], (shape) => ops.full(shape, 1));
    p.name = 'conv.weight';
    expect(() => ops.mul(p, 2)).toThrow(UninitializedError);
    expect(() => ops.mul(p, 2)).toThrow(/'conv.weight' has no values yet: call model.initialize/);
  });
});

describe('grad', () => {
  it('adds up over uses, and un-broadcasts', async () => {
    const f = compile((x: Tensor, b: Tensor) => grad(ops.sum(ops.mul(ops.add(x, b), x)), [x, b]));
    const [dx, db] = await f(tensor([1, 2, 3, 4], [2, 2]), tensor([10, 20]));
    expect(await values(dx!)).toEqual([12, 24, 16, 28]);
    expect(await values(db!)).toEqual([4, 6]);
  });

  it('finds trainable parameters by itself and leaves frozen ones out', async () => {
    const make = (name: string): Parameter => {
      const p = new Parameter([1], (shape) => ops.full(shape, 3));
      p.name = name;
      const storage = new Storage([1], 'f32');
      storage.writeSync(Float32Array.of(3));
      p.materialize(storage);
      return p;
    };
    const [a, b] = [make('a'), make('b')];
    b.requiresGrad = false;
    const f = compile(() =>
      grad(ops.sum(ops.mul(a, b)))
        .entries()
        .map(([p, g]) => [p.name, g] as const),
    );
    const entries = await f();
    expect(entries.map(([name]) => name)).toEqual(['a']);
    expect(await values(entries[0]![1])).toEqual([3]);
  });

  it('rejects losses with several elements and unrelated tensors', () => {
    const x = tensor([1, 2]);
    expect(() => grad(ops.mul(x, 2), [x])).toThrow(/one element/);
    expect(() => grad(ops.sum(x), [tensor([1])])).toThrow(TraceError);
  });

  it('is caught when a rule is wrong', () => {
    const wrong: OpRecord<{ parameters: number[] }> = {
      name: 'tanh',
      bf16: 'f32',
      infer: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
      grad: ({ grads, outputs }) => [ops.mul(grads[0]!, ops.sub(1, outputs[0]!))],
      lower: (l) => l.call('tanh', l.inputs, l.outputs),
    };
    expect(() =>
      checkGradients({ args: [{ shape: [5] }], fn: (x) => first(applyOp(wrong, [x], { parameters: [] })) }),
    ).toThrow(/gradient of argument 0/);
  });
});

testOp('compositions', {
  'softmax of a small network': {
    args: [{ shape: [3, 4] }, { shape: [5, 4] }, { shape: [5] }],
    fn: (x, w, b) => ops.softmax(ops.elu(ops.linear(x, w, b))),
  },
});
