import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { cutEpoch } from '../../lib/data/cut';
import { DataError, NonFiniteError, OptionError } from '../../lib/errors';
import { assign } from '../../lib/graph/trace';
import { crossEntropy, mse } from '../../lib/losses';
import * as augment from '../../lib/augment';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import * as regularizers from '../../lib/regularizers';
import { withTarget } from '../../lib/tensor/target';
import { runtimeScalar, tensor, type Tensor } from '../../lib/tensor/tensor';
import { BatchNorm } from '../../lib/nn/layers/batch-norm';
import { checkpoint, Trainer, type FitOptions, type TrainerOptions } from '../../lib/train';
import { ShardSums } from '../../lib/train/shard-sums';
import { levelsOf, shardBegin, treeSteps } from '../../lib/train/shards';
import { uniform } from '../fixtures/numbers';
import {
  batch,
  furthest,
  normedNet,
  onThreads,
  plainNet,
  trained,
  valuesOf,
  type Trained,
  type Values,
} from './shard-helpers';
import { failure, smallNet, smallTrainer, someGlyphs, temporaryDirectories, weightsDigest } from './helpers';

const directory = temporaryDirectories();

describe('the tree', () => {
  /** By its definition: a range is split behind the largest power of two below its length. */
  function expression(low: number, high: number): string {
    if (high - low === 1) return `${low}`;
    let left = 1;
    while (2 * left < high - low) left *= 2;
    return `(${expression(low, low + left)}+${expression(low + left, high)})`;
  }

  /** The stack of sums after the steps. */
  function computed(shards: number, begin: number, end: number): string[] {
    const stack: string[] = [];
    for (const { shard, level, merges } of treeSteps(shards, begin, end)) {
      expect(level).toBe(stack.length);
      stack.push(`${shard}`);
      for (let i = 0; i < merges; i++) {
        const [left, right] = stack.splice(-2);
        stack.push(`(${left}+${right})`);
      }
    }
    return stack;
  }

  test('adds all shards in the order that their number fixes', () => {
    expect(computed(7, 0, 7)).toEqual(['(((0+1)+(2+3))+((4+5)+6))']);
    for (let shards = 1; shards <= 40; shards++)
      expect(computed(shards, 0, shards)).toEqual([expression(0, shards)]);
  });

  test('leaves the largest subtrees of a range, whoever owns it', () => {
    const subtrees = (low: number, high: number, begin: number, end: number): string[] => {
      if (high <= begin || low >= end) return [];
      if (begin <= low && high <= end) return [expression(low, high)];
      const middle = low + 2 ** Math.floor(Math.log2(high - low - 1));
      return [...subtrees(low, middle, begin, end), ...subtrees(middle, high, begin, end)];
    };
    expect(computed(8, 3, 6)).toEqual(['3', '(4+5)']);
    for (let shards = 1; shards <= 17; shards++)
      for (let begin = 0; begin < shards; begin++)
        for (let end = begin + 1; end <= shards; end++)
          expect(computed(shards, begin, end)).toEqual(subtrees(0, shards, begin, end));
  });

  test('needs few sums at once', () => {
    const levels = (shards: number): number[] =>
      [true, false].map((atOnce) => levelsOf(treeSteps(shards), atOnce));
    expect([2, 3, 4, 8, 64].map(levels)).toEqual([
      [1, 2],
      [1, 2],
      [2, 3],
      [3, 4],
      [6, 7],
    ]);
  });

  test('shards differ by at most a sample', () => {
    expect([0, 1, 2, 3, 4].map((i) => shardBegin(10, 4, i))).toEqual([0, 3, 6, 8, 10]);
  });

  test('an epoch knows its smallest batch', () => {
    for (const lastBatch of ['even', 'keep', 'drop'] as const)
      for (let length = 9; length < 60; length++)
        for (let batchSize = 1; batchSize < 10; batchSize++)
          for (let accumulate = 1; accumulate < 4; accumulate++) {
            const cut = cutEpoch(length, { batchSize, accumulate, lastBatch });
            const sizes = Array.from({ length: cut.batches }, (_, i) => cut.bounds(i)[1] - cut.bounds(i)[0]);
            expect(cut.smallest).toBe(Math.min(...sizes));
          }
  });
});

/** The step of SGD with rate 1 by the formula: each shard is a pass of its own. */
async function byFormula(shards: number, size: number, weights?: readonly number[]): Promise<Values> {
  const whole = batch(size, 1, weights);
  const loss = crossEntropy();
  const model = normedNet().initialize({ seed: 5 });
  const sums = new Map([...(await valuesOf(model))].map(([name, list]) => [name, list.map(() => 0)]));
  let total = 0;
  for (let shard = 0; shard < shards; shard++) {
    const [from, to] = [shardBegin(size, shards, shard), shardBegin(size, shards, shard + 1)];
    // With momentum 1, running statistics become those of the shard.
    const own = normedNet().initialize({ seed: 5 });
    for (const module of own.namedModules().values()) if (module instanceof BatchNorm) module.momentum = 1;
    const names = new Map([...own.namedParameters()].map(([name, p]) => [p, name]));
    const pass = compile((x: Tensor, y: Tensor, w: Tensor) => {
      const outputs = own.forward(x);
      const given = weights && w;
      return {
        divisor: loss.divisor?.(outputs, y, given) ?? ops.full([], to - from),
        gradients: Object.fromEntries(
          grad(loss(outputs, y, given))
            .entries()
            .map(([p, g]) => [names.get(p)!, g]),
        ),
      };
    });
    const { divisor, gradients } = await pass(
      tensor(whole.inputs.data.slice(from * 36, to * 36), [to - from, 1, 6, 6]),
      tensor(whole.targets.data.slice(from, to)),
      tensor(Float32Array.from(weights?.slice(from, to) ?? Array<number>(to - from).fill(1))),
    );
    const weight = divisor.itemSync();
    total += weight;
    for (const [name, g] of Object.entries(gradients))
      (await g.data()).forEach((v, i) => (sums.get(name)![i]! += weight * v));
    for (const [name, b] of own.namedBuffers())
      (await b.data()).forEach((v, i) => (sums.get(name)![i]! += (to - from) * v));
  }
  const before = await valuesOf(model);
  const buffers = new Set(model.namedBuffers().keys());
  return new Map(
    [...before].map(([name, list]) => [
      name,
      list.map((v, i) =>
        buffers.has(name) ? 0.9 * v + (0.1 * sums.get(name)![i]!) / size : v - sums.get(name)![i]! / total,
      ),
    ]),
  );
}

describe('a step in shards', () => {
  test.each([
    [2, 10],
    [3, 11],
    [4, 10],
    [4, 16],
    [5, 10],
  ])('%d of %d samples equals the formula in float64', async (shards, size) => {
    await withTarget('ref', async () => {
      const { values } = await trained(normedNet, { shards }, [batch(size)]);
      expect(furthest(values, await byFormula(shards, size))).toBeLessThan(1e-12);
      // The shards are seen one by one.
      expect(furthest(values, await byFormula(1, size))).toBeGreaterThan(1e-4);
    });
  });

  test('weighs samples as one batch does', async () => {
    const weights = Array.from({ length: 10 }, (_, i) => (i < 3 ? 0 : 0.1 + (i % 4) ** 2));
    await withTarget('ref', async () => {
      const { values } = await trained(normedNet, { shards: 4 }, [batch(10, 1, weights)]);
      expect(furthest(values, await byFormula(4, 10, weights))).toBeLessThan(1e-12);
    });
  });

  test('adds parts of a row while backward goes on', () => {
    const model = nn
      .sequential(nn.linear(1024, 1100), nn.relu(), nn.linear(1100, 1000), nn.relu(), nn.linear(1000, 4))
      .initialize();
    const sums = new ShardSums(1);
    const scalar = (value: number): Tensor => runtimeScalar(() => value);
    const pass = compile((x: Tensor, y: Tensor) => {
      const loss = crossEntropy()(model.forward(x), y);
      const measured = { loss, statistics: [], divisor: undefined, samples: 4, correct: undefined };
      const place = { level: scalar(0), from: scalar(-1), merges: scalar(0) };
      sums.add({ ...measured, asks: ops.full([], 0) }, place, { shards: 2, last: scalar(0) });
      return {};
    });
    const { lowered, arenaBytes } = pass.prepare(
      tensor(uniform(4096, 1), [4, 1024]),
      tensor(Int32Array.of(0, 1, 2, 3)),
    );
    const kernels = lowered.calls.map(({ kernel }) => kernel);
    // What backward of the first layer follows, and then only the figures.
    expect(kernels.slice(-9)).toEqual([
      ...['shard_add', 'shard_submit', 'relu_backward', 'matmul', 'reduce_sum'],
      ...['shard_add', 'shard_submit', 'fill', 'shard_add'],
    ]);
    expect(lowered.commitStart).toBe(kernels.length - 1);
    // The gradients of both large layers are never there together.
    expect(arenaBytes).toBeLessThan(4 * 1.6 * 1100 * 1000);
    pass.dispose();
    sums.dispose();
  });

  const penalty = { regularizer: regularizers.l2(0.01) };
  const noisy = (): nn.Module =>
    nn.sequential(
      nn.conv2d(1, 3, { kernel: 3 }),
      nn.dropout2d(0.3),
      nn.tanh(),
      nn.flatten(),
      nn.gaussianNoise(0.2),
      nn.dropout(0.4),
      nn.linear(48, 4, { dropConnect: 0.2 }),
    );
  const rates = { lr: 0.05, clipNorm: 0.5, weightDecay: 1e-3 };
  const streams = [batch(10, 1), batch(9, 2), batch(12, 3), batch(8, 4)];
  const weighted = [1, 2, 3, 4].map((seed) => batch(8, seed, [0, 1, 2, 3, 4, 5, 6, 7]));

  test.each<[string, () => nn.Module, Partial<TrainerOptions>, object[], Partial<FitOptions>]>([
    ['with penalties', plainNet, penalty, streams, {}],
    ['with dropout and noise', noisy, {}, streams, {}],
    ['with accumulation', noisy, penalty, streams, { accumulate: 3 }],
    ['with weights and accumulation', plainNet, {}, weighted, { accumulate: 2 }],
    ['with an average', plainNet, { average: optim.ema({ decay: 0.9 }) }, streams, {}],
    ['clipped', plainNet, { optimizer: optim.sgd({ ...rates, momentum: 0.9 }) }, streams, {}],
    ['by LARS', plainNet, { optimizer: optim.lars({ ...rates, momentum: 0.9 }) }, streams, {}],
    ['by LAMB', plainNet, { optimizer: optim.lamb(rates) }, streams, {}],
    ['by Adam', plainNet, { optimizer: optim.adam(rates) }, streams, {}],
    ['clipped by value', plainNet, { optimizer: optim.rmsprop({ lr: 0.01, clipValue: 0.01 }) }, streams, {}],
  ])('%s is that of the whole batch', async (_, make, options, data, fit) => {
    await withTarget('ref', async () => {
      const batches = data as ReturnType<typeof batch>[];
      const fresh = (): Partial<TrainerOptions> => ({ ...options, ...copied(options) });
      const whole = await trained(make, fresh(), batches, { ...fit, epochs: 2 });
      for (const shards of [2, 3, 4]) {
        const parts = await trained(make, { ...fresh(), shards }, batches, { ...fit, epochs: 2 });
        expect(furthest(parts.values, whole.values)).toBeLessThan(1e-11);
        parts.losses.forEach((loss, i) => expect(Math.abs(loss - whole.losses[i]!)).toBeLessThan(1e-11));
        expect(parts.losses).toHaveLength(whole.losses.length);
        expect(parts.accuracy).toBe(whole.accuracy);
      }
    });
  });

  /** An optimizer or an average of its own: each run has its state. */
  function copied({ optimizer, average }: Partial<TrainerOptions>): Partial<TrainerOptions> {
    const makers = { sgd: optim.sgd, lars: optim.lars, lamb: optim.lamb, adam: optim.adam };
    const { kind } = optimizer ?? { kind: '' };
    const ofKind = (makers as Record<string, ((o: typeof rates) => optim.Optimizer) | undefined>)[kind];
    return {
      ...(optimizer && {
        optimizer: ofKind?.({ ...rates }) ?? optim.rmsprop({ lr: 0.01, clipValue: 0.01 }),
      }),
      ...(average && { average: optim.ema({ decay: 0.9 }) }),
    };
  }
});

const augmentations = [augment.randomCrop(28, { padding: 2 }), augment.flip({ p: 0.1 }), augment.mixup()];

async function digest(options: Partial<TrainerOptions> = {}, fit: Partial<FitOptions> = {}): Promise<string> {
  const trainer = smallTrainer(smallNet(), { augment: augmentations, ...options });
  await trainer.fit(await someGlyphs(), { epochs: 2, batchSize: 32, ...fit });
  return weightsDigest(trainer.model);
}

describe('the same bits', () => {
  test('shards: 1 is a step without shards, shards: 3 is another', async () => {
    expect(await digest({ shards: 1 })).toBe(await digest());
    expect(await digest({ shards: 3 })).not.toBe(await digest());
  });

  test.each([
    ['fp32', {}],
    ['bf16', { precision: 'bf16' as const }],
  ])('with any number of threads: %s', async (_, options) => {
    const found = await onThreads([1, 2, 3], () => digest({ ...options, shards: 4 }, { accumulate: 2 }));
    expect(new Set(found).size).toBe(1);
  });

  test('after a resume, which keeps the shards and refuses others', async () => {
    const dir = directory();
    const fit = { epochs: 2, batchSize: 32, accumulate: 2 };
    const make = (shards?: number): Trainer =>
      smallTrainer(smallNet(), { augment: augmentations, ...(shards !== undefined && { shards }) });
    await make(4).fit(await someGlyphs(), {
      ...fit,
      maxSteps: 6,
      callbacks: [checkpoint(dir, { everySteps: 2 })],
    });
    const error = await failure(async () => make(2).fit(await someGlyphs(), { ...fit, resume: dir }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain('was trained with shards 4, the trainer has 2');
    const trainer = make();
    await trainer.fit(await someGlyphs(), { ...fit, resume: dir });
    expect(await weightsDigest(trainer.model)).toBe(await digest({ shards: 4 }, { accumulate: 2 }));
  });

  test('bf16 is near fp32', async () => {
    const run = (precision: 'fp32' | 'bf16'): Promise<Trained> =>
      trained(normedNet, { shards: 3, precision, optimizer: optim.sgd({ lr: 0.1 }) }, [batch(12)]);
    const [half, full] = [await run('bf16'), await run('fp32')];
    const far = furthest(half.values, full.values);
    expect(far).toBeGreaterThan(0);
    expect(far).toBeLessThan(5e-3);
  });
});

describe('what goes wrong', () => {
  test.each([[0], [1.5], [-2], ['4'], [NaN]])('shards %p are refused', (shards) => {
    expect(() => smallTrainer(smallNet(), { shards: shards as number })).toThrow(/Trainer: shards must be/);
  });

  test('a batch of fewer samples than shards is refused at the call', async () => {
    const glyphs = await someGlyphs();
    const trainer = smallTrainer(smallNet(), { shards: 8 });
    expect(() => trainer.fit(glyphs, { epochs: 1, batchSize: 7 })).toThrow(OptionError);
    // 203 = 12 * 16 + 11 leaves 11; 203 = 10 * 20 + 3 leaves 3.
    expect(() => trainer.fit(glyphs, { epochs: 1, batchSize: 20, lastBatch: 'keep' })).toThrow(
      'a batch of 3 samples cannot be cut into 8 shards',
    );
    await trainer.fit(glyphs, { epochs: 1, batchSize: 20, lastBatch: 'drop', maxSteps: 1 });
    await trainer.fit(glyphs, { epochs: 1, batchSize: 20, lastBatch: 'even', maxSteps: 1 });
  });

  test('a batch of a stream of fewer samples than shards ends the run', async () => {
    const error = await failure(() => trained(plainNet, { shards: 4 }, [batch(8), batch(3)]));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain('a batch of 3 samples cannot be cut into 4 shards');
  });

  test('weighted and plain batches do not make one step', async () => {
    const mixed = [batch(8), batch(8, 2, Array<number>(8).fill(1))];
    const error = await failure(() => trained(plainNet, { shards: 2 }, mixed, { accumulate: 2 }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain('count either by samples or by weights');
  });

  test('a layer that assigns a buffer is refused', async () => {
    class Counting extends nn.Module {
      readonly count = nn.buffer([1]);
      override forward(x: Tensor): Tensor {
        assign(this.count, ops.add(this.count, 1));
        return x;
      }
    }
    const make = (): nn.Module => nn.sequential(new Counting(), nn.flatten(), nn.linear(36, 4));
    const error = await failure(() => trained(make, { shards: 2 }, [batch(8)]));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain('train with shards: 1');
  });

  // The sums of the step before lie where those of the shard should be: rows 0 and 1.
  test.each([
    ['first', 2, 2, 4, 0],
    ['second', 2, 4, 4, 3],
    ['first', 4, 8, 8, 0],
    ['third', 4, 8, 8, 4],
    ['last', 4, 8, 8, 7],
  ])('a fault in the %s of %d shards updates nothing', async (_, shards, size, next, place) => {
    const rate = { loss: crossEntropy(), shards };
    const { values } = await trained(normedNet, { shards }, [batch(size)]);
    const model = normedNet().initialize({ seed: 5 });
    const optimizer = optim.sgd({ lr: 1 });
    const trainer = new Trainer(model, { ...rate, optimizer });
    const bad = batch(next, 2);
    bad.targets.data[place] = 9;
    const error = await failure(() => trainer.fit([batch(size), bad, batch(8)], { epochs: 1 }));
    expect(error).toBeInstanceOf(DataError);
    expect(furthest(await valuesOf(model), values)).toBe(0);
    expect(optimizer.step).toBe(1);
    await trainer.fit([batch(8)], { epochs: 1 });
    expect(furthest(await valuesOf(model), values)).toBeGreaterThan(0);
  });

  test('a number that is not finite names its layer, and leaves the weights as they were', async () => {
    const model = normedNet().initialize({ seed: 5 });
    const trainer = new Trainer(model, {
      loss: crossEntropy(),
      optimizer: optim.sgd({ lr: 0.1 }),
      shards: 3,
    });
    const bad = batch(9, 2);
    bad.inputs.data[8 * 36] = NaN;
    const error = await failure(() => trainer.fit([batch(9), bad, batch(9)], { epochs: 1 }));
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error.message).toContain('at step 2');
    expect(error.message).toContain("conv2d '0' in the forward pass");
    const { values } = await trained(normedNet, { optimizer: optim.sgd({ lr: 0.1 }), shards: 3 }, [batch(9)]);
    expect(furthest(await valuesOf(model), values)).toBe(0);
  });

  test('freezing between epochs makes new sums', async () => {
    const model = normedNet().initialize({ seed: 5 });
    const trainer = new Trainer(model, {
      loss: crossEntropy(),
      optimizer: optim.sgd({ lr: 0.1 }),
      shards: 2,
    });
    const first = [...model.namedParameters().values()][0]!;
    let frozen: number[] = [];
    await trainer.fit([batch(8), batch(8, 2)], {
      epochs: 3,
      callbacks: [
        {
          onEvent: async (event) => {
            if (event.type !== 'epoch' || event.epoch !== 1) return;
            first.requiresGrad = false;
            frozen = [...(await first.data())];
          },
        },
      ],
    });
    expect(frozen.length).toBeGreaterThan(0);
    expect([...(await first.data())]).toEqual(frozen);
  });

  test('numbers as targets have no accuracy', async () => {
    const data = [8, 6].map((size) => ({
      inputs: { data: uniform(size * 3, size), shape: [size, 3] },
      targets: { data: uniform(size, 4), shape: [size, 1] },
    }));
    const { accuracy } = await trained(
      () => nn.sequential(nn.linear(3, 1)),
      { loss: mse(), shards: 2 },
      data,
    );
    expect(accuracy).toBeUndefined();
  });
});
