import { compile, compileTogether } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { DataError, NonFiniteError, OptionError } from '../../lib/errors';
import { currentTrace } from '../../lib/graph/trace';
import { crossEntropy } from '../../lib/losses';
import * as augment from '../../lib/augment';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { syncBatchNorm } from '../../lib/ops/sync-batch-norm';
import { withTarget } from '../../lib/tensor/target';
import { persistent, tensor, type Tensor } from '../../lib/tensor/tensor';
import { checkpoint, Trainer, type FitOptions, type TrainerOptions } from '../../lib/train';
import { passRuns, rowsOf } from '../../lib/train/shard-runs';
import { shardBegin, treeSteps } from '../../lib/train/shards';
import { symmetric } from '../fixtures/numbers';
import { batch, furthest, normedNet, onThreads, plainNet, trained, valuesOf } from './shard-helpers';
import { failure, smallNet, smallTrainer, someGlyphs, temporaryDirectories, weightsDigest } from './helpers';

const directory = temporaryDirectories();

const sync = { syncBatchNorm: true };

/**
 * Norms in all their company: relu, relu6, max pooling, a residual with and without an activation, [N, C].
 */
function richNet(): nn.Module {
  const normed = (channels: number): nn.Module =>
    nn.sequential(nn.conv2d(channels, channels, { kernel: 3, padding: 1 }), nn.batchNorm2d(channels));
  return nn.sequential(
    nn.conv2d(1, 5, { kernel: 3 }),
    nn.batchNorm2d(5, { affine: false }),
    nn.relu(),
    nn.residual(normed(5)),
    nn.relu(),
    nn.residual(normed(5)),
    nn.maxPool2d(2),
    nn.batchNorm2d(5, { momentum: 0.3 }),
    nn.relu6(),
    nn.flatten(),
    nn.linear(20, 7),
    nn.batchNorm1d(7, { trackRunningStats: false }),
    nn.tanh(),
    nn.linear(7, 4),
  );
}

describe('the runs of a step', () => {
  test('add each shard of all batches to its own row, and then along the tree', () => {
    for (let shards = 1; shards <= 9; shards++)
      for (const batches of [1, 2, 3]) {
        const tree = treeSteps(shards);
        for (const lockstep of [false, true]) {
          const rows = Array<string | undefined>(rowsOf(tree, batches, lockstep)).fill(undefined);
          for (const { own, batch: b, level, from, merges } of passRuns(tree, batches, lockstep).flat()) {
            let value = `${own}.${b}`;
            const take = (row: number): void => {
              value = `(${rows[row]}+${value})`;
              rows[row] = undefined;
            };
            if (from >= 0) take(from);
            for (let i = 1; i <= merges; i++) take(level - i);
            rows[level - merges] = value;
          }
          const leaf = (shard: number): string =>
            Array.from({ length: batches }, (_, b) => `${shard}.${b}`).reduce(
              (sum, one) => `(${sum}+${one})`,
            );
          const along = (low: number, high: number): string => {
            if (high - low === 1) return leaf(low);
            const middle = low + 2 ** (Math.ceil(Math.log2(high - low)) - 1);
            return `(${along(low, middle)}+${along(middle, high)})`;
          };
          expect(rows.filter((row) => row !== undefined)).toEqual([along(0, shards)]);
          expect(rows[0]).toBe(along(0, shards));
        }
      }
  });
});

describe('synchronized batch norm', () => {
  test.each([
    [2, 10],
    [3, 11],
    [4, 10],
    [4, 16],
    [5, 5],
  ])('%d shards of %d samples take the step of the whole batch in float64', async (shards, size) => {
    await withTarget('ref', async () => {
      for (const make of [normedNet, richNet]) {
        const whole = await trained(make, {}, [batch(size)]);
        const synced = await trained(make, { shards, ...sync }, [batch(size)]);
        expect(furthest(synced.values, whole.values)).toBeLessThan(1e-12);
        synced.losses.forEach((loss, i) => expect(Math.abs(loss - whole.losses[i]!)).toBeLessThan(1e-12));
        expect(synced.accuracy).toBe(whole.accuracy);
        if (size < 2 * shards) continue;
        const apart = await trained(make, { shards }, [batch(size)]);
        expect(furthest(apart.values, whole.values)).toBeGreaterThan(1e-4);
      }
    });
  });

  test('weighs samples as one batch does, over several steps of several batches', async () => {
    const weighted = [1, 2, 3, 4, 5].map((seed) =>
      batch(
        7 + seed,
        seed,
        Array.from({ length: 7 + seed }, (_, i) => (i < 3 ? 0 : i)),
      ),
    );
    await withTarget('ref', async () => {
      const fit = { accumulate: 2, epochs: 2 };
      const options = { optimizer: optim.sgd({ lr: 0.1 }) };
      const whole = await trained(richNet, options, weighted, fit);
      for (const shards of [2, 3, 4]) {
        const again = { optimizer: optim.sgd({ lr: 0.1 }), shards, ...sync };
        const synced = await trained(richNet, again, weighted, fit);
        // Running statistics move once a step, and without shards once a batch.
        const parameters = [...synced.values].filter(([name]) => !name.includes('running'));
        for (const [name, values] of parameters)
          values.forEach((v, i) => expect(Math.abs(v - whole.values.get(name)![i]!)).toBeLessThan(1e-11));
      }
    });
  });

  test('in fp32, a layer and its gradients are those of the whole batch to 1e-6 of the maximum', async () => {
    const [size, channels, shards] = [22, 19, 4];
    const values = (seed: number): Float32Array => symmetric(size * channels * 63, seed, 1);
    const part = (array: Float32Array, from: number, to: number): Tensor =>
      tensor(array.slice(from * channels * 63, to * channels * 63), [to - from, channels, 9, 7]);
    const [gamma, beta] = [persistent(symmetric(channels, 3, 1)), persistent(symmetric(channels, 4, 1))];
    const x = values(1).map((v, i) => v + (Math.floor(i / 63) % 3) - 1);
    const dy = values(2);
    const whole = await withTarget('ref', async () => {
      const [g, b] = [persistent(symmetric(channels, 3, 1)), persistent(symmetric(channels, 4, 1))];
      return compile((x: Tensor, dy: Tensor) => {
        const { y, mean, variance } = ops.batchNormTrain(x, g, b);
        return [y, ...grad(ops.sum(ops.mul(y, dy)), [x, g, b]), mean, variance];
      })(part(x, 0, size), part(dy, 0, size));
    });
    const layer = compileTogether(
      (x: Tensor, dy: Tensor) => {
        const { y, mean, variance } = syncBatchNorm(x, gamma, beta, shards);
        return [y, ...grad(ops.sum(ops.mul(y, dy)), [x, gamma, beta]), mean, variance];
      },
      () => undefined,
      {},
    );
    const bounds = Array.from({ length: shards + 1 }, (_, i) => shardBegin(size, shards, i));
    const parts = await layer(
      ...Array.from({ length: shards }, (_, i): [Tensor, Tensor] => [
        part(x, bounds[i]!, bounds[i + 1]!),
        part(dy, bounds[i]!, bounds[i + 1]!),
      ]),
    );
    const joined = async (i: number): Promise<number[]> =>
      (await Promise.all(parts.map((outputs) => outputs[i]!.data()))).flatMap((data) => [...data]);
    const summed = async (i: number): Promise<number[]> => {
      const all = await joined(i);
      return Array.from({ length: channels }, (_, c) =>
        Array.from({ length: shards }, (_, s) => all[s * channels + c]!).reduce((sum, v) => sum + v),
      );
    };
    const count = size * 63;
    const expected = await Promise.all(whole.map(async (t) => [...(await t.data())]));
    const found = [await joined(0), await joined(1), await summed(2), await summed(3)];
    found.push((await joined(4)).slice(-channels));
    found.push((await joined(5)).slice(-channels).map((v) => (v * (count - 1)) / count));
    found.forEach((list, i) => {
      const most = expected[i]!.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
      const far = list.reduce((max, v, k) => Math.max(max, Math.abs(v - expected[i]![k]!)), 0);
      expect(far).toBeLessThan(1e-6 * most);
    });
    // Every shard has the same statistics, to the bit.
    for (const i of [4, 5]) {
      const all = await joined(i);
      all.forEach((v, k) => expect(v).toBe(all[k % channels]));
    }
  });

  test('fusing into it changes no bit', async () => {
    const run = (fuse: boolean): Promise<Tensor[][]> => {
      const model = richNet().initialize({ seed: 5 });
      const together = compileTogether(
        (x: Tensor, y: Tensor) => {
          const trace = currentTrace()!;
          trace.statistics = [];
          trace.syncedShards = 3;
          const loss = crossEntropy()(model.forward(x), y);
          return [
            loss,
            ...grad(loss)
              .entries()
              .map(([, g]) => g),
          ];
        },
        () => undefined,
        { fuse },
      );
      return together(
        ...[1, 2, 3].map((seed): [Tensor, Tensor] => {
          const { inputs, targets } = batch(4, seed);
          return [tensor(inputs.data, inputs.shape), tensor(targets.data, targets.shape)];
        }),
      );
    };
    const [fused, plain] = [await run(true), await run(false)];
    for (const [i, outputs] of fused.entries())
      for (const [k, t] of outputs.entries())
        expect([...(await t.data())]).toEqual([...(await plain[i]![k]!.data())]);
  });

  test('fuses relu and the residual into the norm, and the mask into the sums of its backward', () => {
    const model = nn
      .sequential(
        nn.conv2d(1, 4, { kernel: 3 }),
        nn.batchNorm2d(4),
        nn.relu(),
        nn.flatten(),
        nn.linear(64, 4),
      )
      .initialize();
    const together = compileTogether(
      (x: Tensor, y: Tensor) => {
        const trace = currentTrace()!;
        trace.statistics = [];
        trace.syncedShards = 2;
        return grad(crossEntropy()(model.forward(x), y))
          .entries()
          .map(([, g]) => g);
      },
      () => undefined,
      {},
    );
    const args = (): [Tensor, Tensor] => [
      tensor(batch(4).inputs.data, [4, 1, 6, 6]),
      tensor(batch(4).targets.data),
    ];
    const { lowered } = together.prepare(args(), args());
    const kernels = lowered.calls.map(({ kernel }) => kernel);
    const count = (name: string): number => kernels.filter((kernel) => kernel === name).length;
    expect([count('shard_moments'), count('shard_totals')]).toEqual([1, 1]);
    expect([count('batch_norm_eval'), count('batch_norm_backward_sums')]).toEqual([2, 2]);
    expect([count('relu'), count('relu_backward')]).toEqual([0, 0]);
  });
});

const augmentations = [augment.randomCrop(28, { padding: 2 }), augment.flip({ p: 0.1 }), augment.mixup()];

async function digest(options: Partial<TrainerOptions> = {}, fit: Partial<FitOptions> = {}): Promise<string> {
  const trainer = smallTrainer(smallNet(), { augment: augmentations, shards: 4, ...sync, ...options });
  await trainer.fit(await someGlyphs(), { epochs: 2, batchSize: 32, ...fit });
  return weightsDigest(trainer.model);
}

describe('the same bits', () => {
  test.each([
    ['fp32', {}],
    ['bf16', { precision: 'bf16' as const }],
  ])('with any number of threads: %s', async (_, options) => {
    const fit = { accumulate: 2, epochs: 1 };
    const found = await onThreads([1, 2, 3], () => digest(options, fit));
    expect(new Set(found).size).toBe(1);
    expect(found[0]).not.toBe(await digest({ ...options, syncBatchNorm: false }, fit));
  });

  test('after a resume, which keeps it and refuses another', async () => {
    const dir = directory();
    const fit = { epochs: 2, batchSize: 32, accumulate: 2 };
    const make = (options: Partial<TrainerOptions>): Trainer =>
      smallTrainer(smallNet(), { augment: augmentations, ...options });
    await make({ shards: 4, ...sync }).fit(await someGlyphs(), {
      ...fit,
      maxSteps: 6,
      callbacks: [checkpoint(dir, { everySteps: 2 })],
    });
    const other = make({ shards: 4, syncBatchNorm: false });
    const error = await failure(async () => other.fit(await someGlyphs(), { ...fit, resume: dir }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain('was trained with syncBatchNorm true, the trainer has false');
    const trainer = make({});
    await trainer.fit(await someGlyphs(), { ...fit, resume: dir });
    expect(await weightsDigest(trainer.model)).toBe(await digest({}, { accumulate: 2 }));
  });

  test('bf16 is near fp32', async () => {
    const run = (precision: 'fp32' | 'bf16') => {
      const options = { shards: 3, precision, optimizer: optim.sgd({ lr: 0.1 }), ...sync };
      return trained(normedNet, options, [batch(12)]);
    };
    const [half, full] = [await run('bf16'), await run('fp32')];
    const far = furthest(half.values, full.values);
    expect(far).toBeGreaterThan(0);
    expect(far).toBeLessThan(5e-3);
  });
});

describe('what goes wrong', () => {
  test.each([[1], ['yes'], [null]])('syncBatchNorm %p is refused', (value) => {
    const options = { shards: 2, syncBatchNorm: value as unknown as boolean };
    expect(() => smallTrainer(smallNet(), options)).toThrow(/Trainer: syncBatchNorm must be/);
  });

  test('without shards it is refused', async () => {
    const message = 'there is one; set shards to 2 or more';
    expect(() => smallTrainer(smallNet(), { shards: 1, ...sync })).toThrow(message);
    const trainer = smallTrainer(smallNet(), sync);
    const glyphs = await someGlyphs();
    expect(() => trainer.fit(glyphs, { epochs: 1 })).toThrow(OptionError);
    expect(() => trainer.fit(glyphs, { epochs: 1 })).toThrow(`fit: syncBatchNorm`);
    smallTrainer(smallNet(), { syncBatchNorm: false });
  });

  test('without batch norm it is refused', () => {
    expect(() => smallTrainer(plainNet(), { shards: 2, ...sync })).toThrow('this one has none');
  });

  test.each([
    ['first', 4, 8, 0],
    ['last', 4, 8, 7],
  ])('a fault in the %s of %d shards updates nothing', async (_, shards, size, place) => {
    const { values } = await trained(normedNet, { shards, ...sync }, [batch(size)]);
    const model = normedNet().initialize({ seed: 5 });
    const optimizer = optim.sgd({ lr: 1 });
    const trainer = new Trainer(model, { loss: crossEntropy(), shards, ...sync, optimizer });
    const bad = batch(size, 2);
    bad.targets.data[place] = 9;
    const error = await failure(() => trainer.fit([batch(size), bad, batch(8)], { epochs: 1 }));
    expect(error).toBeInstanceOf(DataError);
    expect(furthest(await valuesOf(model), values)).toBe(0);
    await trainer.fit([batch(8)], { epochs: 1 });
    expect(furthest(await valuesOf(model), values)).toBeGreaterThan(0);
  });

  test('a number that is not finite names its layer, and leaves the weights as they were', async () => {
    const model = normedNet().initialize({ seed: 5 });
    const options = { loss: crossEntropy(), shards: 3, ...sync };
    const trainer = new Trainer(model, { ...options, optimizer: optim.sgd({ lr: 0.1 }) });
    const bad = batch(9, 2);
    bad.inputs.data[8 * 36] = NaN;
    const error = await failure(() => trainer.fit([batch(9), bad, batch(9)], { epochs: 1 }));
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error.message).toContain("conv2d '0' in the forward pass");
    const { values } = await trained(normedNet, { optimizer: optim.sgd({ lr: 0.1 }), shards: 3, ...sync }, [
      batch(9),
    ]);
    expect(furthest(await valuesOf(model), values)).toBe(0);
  });
});
