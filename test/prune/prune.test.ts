/**
 * Pruning: which weights go, that they stay 0 whatever trains them, that masks come back from
 * files and checkpoints.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, OptionError, ShapeError } from '../../lib/errors';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors';
import { writeFileAtomic } from '../../lib/files/atomic-file';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { assign } from '../../lib/graph/trace';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import * as prune from '../../lib/prune';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { checkpoint } from '../../lib/train';
import { symmetric } from '../fixtures/numbers';
import { smallNet, smallTrainer, someGlyphs, weightsDigest } from '../train/helpers';

const folder = mkdtempSync(join(tmpdir(), 'tenon-prune-'));
afterAll(() => rmSync(folder, { recursive: true }));

const weights = (model: nn.Module, name: string): number[] => [
  ...model.namedParameters().get(name)!.dataSync(),
];

/** Linear 4 - 3 - 2 whose weights have magnitudes that are known: 0.weight 12, 11, ... 1; 2.weight 100. */
async function known(): Promise<nn.Sequential> {
  const net = nn.sequential(nn.linear(4, 3), nn.relu(), nn.linear(3, 2)).initialize({ seed: 1 });
  const first = Float32Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 1 : -1) * (12 - i));
  await net.namedParameters().get('0.weight')!.storage.write(first);
  await net.namedParameters().get('2.weight')!.storage.write(new Float32Array(6).fill(-100));
  return net;
}

describe('which weights go', () => {
  test('the smallest of each layer; of equal ones the first; again, of those left', async () => {
    const net = await known();
    const report = await prune.magnitude(net, { amount: 0.5 });
    expect(weights(net, '0.weight')).toEqual([12, -11, 10, -9, 8, -7, 0, 0, 0, 0, 0, 0]);
    expect(weights(net, '2.weight')).toEqual([0, 0, 0, -100, -100, -100]);
    expect(report).toMatchObject({ total: 18, remaining: 9 });
    expect(report.parameters.map((row) => [row.name, row.remaining])).toEqual([
      ['0.weight', 6],
      ['2.weight', 3],
    ]);
    expect(String(report).split('\n').at(-1)).toMatch(/^all\s+9\s+18\s+50\.0 %$/);
    await prune.magnitude(net, { amount: 1 / 3, match: '0' });
    expect([...(await prune.masks(net)).keys()]).toEqual(['0.weight', '2.weight']);
    expect(weights(net, '0.weight')).toEqual([12, -11, 10, -9, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect((await prune.sparsity(net)).remaining).toBe(7);
  });

  test('the smallest of all together', async () => {
    const net = await known();
    await prune.magnitude(net, { amount: 0.5, scope: 'global' });
    expect(weights(net, '0.weight')).toEqual([12, -11, 10, ...Array(9).fill(0)]);
    expect(weights(net, '2.weight')).toEqual(Array(6).fill(-100));
  });

  test('as sorting says, for many weights of both signs, in four axes', async () => {
    const net = nn.conv2d(8, 16, { kernel: 3 }).initialize({ seed: 3 });
    const before = weights(net, 'weight');
    await prune.magnitude(net, { amount: 0.7 });
    const limit = before.map(Math.abs).sort((a, b) => a - b)[Math.round(0.7 * before.length)]!;
    expect(weights(net, 'weight')).toEqual(before.map((w) => (Math.abs(w) < limit ? 0 : w)));
  });

  test('a share of each parameter by a function; all and nothing', async () => {
    const net = await known();
    await prune.magnitude(net, { amount: (name) => (name === '0.weight' ? 1 : 0) });
    expect(weights(net, '0.weight')).toEqual(Array(12).fill(0));
    expect(weights(net, '2.weight')).toEqual(Array(6).fill(-100));
  });

  test('at random: the right number, by the seed, and not by place', async () => {
    const make = (): nn.Linear => nn.linear(50, 40).initialize({ seed: 1 });
    const [a, b, c] = [make(), make(), make()];
    await prune.random(a, { amount: 0.25, seed: 5 });
    await prune.random(b, { amount: 0.25, seed: 5 });
    await prune.random(c, { amount: 0.25, seed: 6 });
    const mask = (await prune.masks(a)).get('weight')!;
    expect(mask.filter((m) => m === 0)).toHaveLength(500);
    expect((await prune.masks(b)).get('weight')).toEqual(mask);
    expect((await prune.masks(c)).get('weight')).not.toEqual(mask);
    const gone = Array.from(
      { length: 4 },
      (_, q) => mask.slice(500 * q, 500 * (q + 1)).filter((m) => m === 0).length,
    );
    // Each quarter has 125 in the mean, with a deviation of 8.
    for (const n of gone) expect(Math.abs(n - 125)).toBeLessThan(40);
  });
});

const optimizers: Record<string, () => optim.Optimizer> = {
  'sgd with decay': () => optim.sgd({ lr: 0.1, weightDecay: 0.1 }),
  'sgd with momentum': () => optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.1 }),
  'sgd with Nesterov, clipped': () => optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true, clipNorm: 0.1 }),
  adagrad: () => optim.adagrad({ lr: 0.01, weightDecay: 0.1 }),
  rmsprop: () => optim.rmsprop({ lr: 0.01, momentum: 0.9, centred: true }),
  adam: () => optim.adam({ lr: 0.01, weightDecay: 0.1, amsgrad: true }),
  adamw: () => optim.adamw({ lr: 0.01, weightDecay: 0.1 }),
  nadam: () => optim.nadam({ lr: 0.01 }),
  lars: () => optim.lars({ lr: 0.1, momentum: 0.9, weightDecay: 0.1 }),
  lamb: () => optim.lamb({ lr: 0.01, weightDecay: 0.1 }),
};

const x = tensor(symmetric(8 * 6, 7, 2), [8, 6]);
const y = tensor(Int32Array.from({ length: 8 }, (_, i) => i % 3));

function stepOf(model: nn.Module, optimizer: optim.Optimizer): () => Promise<Tensor> {
  return compile(() => {
    const loss = ops.mean(ops.crossEntropy(model.forward(x), y));
    optimizer.update(grad(loss));
    return loss;
  });
}

describe('training', () => {
  test.each(Object.entries(optimizers))(
    '%s leaves what is pruned at 0, pruned in mid-training',
    async (_, make) => {
      const net = nn.sequential(nn.linear(6, 5), nn.tanh(), nn.linear(5, 3)).initialize({ seed: 2 });
      const optimizer = make();
      const step = stepOf(net, optimizer);
      for (let i = 0; i < 3; i++) await step();
      await prune.magnitude(net, { amount: 0.5 });
      const masks = await prune.masks(net);
      const before = weights(net, '0.weight');
      for (let i = 0; i < 4; i++) await step();
      for (const [name, mask] of masks) {
        weights(net, name).forEach((w, i) => expect(mask[i] === 1 || Object.is(w, 0)).toBe(true));
        for (const [key, state] of optimizer.state().tensors)
          if (key.endsWith(`/${name}`))
            state.dataSync().forEach((v, i) => expect(mask[i] === 1 || v === 0).toBe(true));
      }
      const moved = weights(net, '0.weight').filter((w, i) => w !== before[i]);
      expect(moved.length).toBeGreaterThan(12);
    },
  );

  // Two nets that are the same function: one pruned unit against a net without that unit.
  test('pruned weights do not count: the net trains as one that lacks them, clipped by the norm', async () => {
    const wide = nn.sequential(nn.linear(6, 5, { bias: false }), nn.tanh(), nn.linear(5, 3, { bias: false }));
    const narrow = nn.sequential(
      nn.linear(6, 4, { bias: false }),
      nn.tanh(),
      nn.linear(4, 3, { bias: false }),
    );
    wide.initialize({ seed: 2 });
    narrow.initialize();
    const [w0, w2] = [weights(wide, '0.weight'), weights(wide, '2.weight')];
    const kept = w2.filter((_, i) => i % 5 < 4);
    await narrow
      .namedParameters()
      .get('0.weight')!
      .storage.write(Float32Array.from(w0.slice(0, 24)));
    await narrow.namedParameters().get('2.weight')!.storage.write(Float32Array.from(kept));
    await prune.setMasks(wide, new Map([['2.weight', w2.map((_, i) => Number(i % 5 < 4))]]));
    const options = { lr: 0.5, momentum: 0.9, clipNorm: 0.05 };
    const [a, b] = [stepOf(wide, optim.sgd(options)), stepOf(narrow, optim.sgd(options))];
    for (let i = 0; i < 5; i++) expect(await (await a()).item()).toBeCloseTo(await (await b()).item(), 6);
    const last = weights(wide, '2.weight').filter((_, i) => i % 5 < 4);
    last.forEach((w, i) => expect(w).toBeCloseTo(weights(narrow, '2.weight')[i]!, 6));
  });

  test('accumulated gradients, averages and assignments hold the zeros too', async () => {
    const net = nn.linear(6, 3).initialize({ seed: 2 });
    const [optimizer, average] = [optim.sgd({ lr: 0.1 }), optim.ema({ decay: 0.9 })];
    const record = compile(() => average.record(net));
    await record();
    await prune.magnitude(net, { amount: 0.5 });
    const mask = (await prune.masks(net)).get('weight')!;
    const zerosHold = (values: ArrayLike<number>): boolean =>
      mask.every((m, i) => m === 1 || values[i] === 0);
    const lossOf = (): Tensor => ops.mean(ops.crossEntropy(net.forward(x), y));
    await compile(() => optimizer.accumulate(grad(lossOf()), 8))();
    await compile(() => optimizer.update(grad(lossOf()), { samples: 8 }))();
    expect(zerosHold(weights(net, 'weight'))).toBe(true);
    const seen = await compile(() => average.inPlaceOf(net, () => ops.add(net.weight, 0)))();
    expect(zerosHold(await seen.data())).toBe(true);
    await average.copyTo(net);
    expect(zerosHold(weights(net, 'weight'))).toBe(true);
    await compile(() => assign(net.weight, ops.full([3, 6], 7)))();
    expect(weights(net, 'weight')).toEqual([...mask].map((m) => 7 * m));
    net.initialize({ seed: 9, weights: 'ones' });
    expect(weights(net, 'weight')).toEqual([...mask]);
    await nn.init.lsuv(net, x);
    expect(zerosHold(weights(net, 'weight'))).toBe(true);
  });

  test('remove lets them be trained again', async () => {
    const net = nn.linear(6, 3).initialize({ seed: 2 });
    await prune.magnitude(net, { amount: 0.5 });
    const step = stepOf(net, optim.sgd({ lr: 0.1 }));
    await step();
    expect(weights(net, 'weight').filter((w) => w === 0)).toHaveLength(9);
    prune.remove(net);
    expect([...(await prune.masks(net)).keys()]).toEqual([]);
    expect(weights(net, 'weight').filter((w) => w === 0)).toHaveLength(9);
    await step();
    expect(weights(net, 'weight').filter((w) => w === 0)).toHaveLength(0);
  });
});

describe('files', () => {
  test('a model file keeps masks, and gives the same bytes again', async () => {
    const net = smallNet().initialize({ seed: 1 });
    await prune.magnitude(net, { amount: 0.6 });
    const path = join(folder, 'pruned.safetensors');
    await net.save(path);
    const rebuilt = await nn.load(path);
    expect(await prune.masks(rebuilt)).toEqual(await prune.masks(net));
    expect(await weightsDigest(rebuilt)).toBe(await weightsDigest(net));
    const other = await smallNet().load(path);
    expect(await weightsDigest(other)).toBe(await weightsDigest(net));
    expect(String(await prune.sparsity(other))).toBe(String(await prune.sparsity(net)));
  });

  test('unpruned weights do not pass for those of a pruned model, but by strict: false', async () => {
    const path = join(folder, 'dense.safetensors');
    await smallNet().initialize({ seed: 4 }).save(path);
    const net = smallNet().initialize({ seed: 1 });
    await prune.magnitude(net, { amount: 0.6 });
    await expect(net.load(path)).rejects.toThrow('missing "0.weight_mask", "6.weight_mask"');
    await net.load(path, { strict: false });
    const mask = (await prune.masks(net)).get('6.weight')!;
    const expected = weights(smallNet().initialize({ seed: 4 }), '6.weight').map((w, i) =>
      mask[i] === 1 ? w : 0,
    );
    expect(weights(net, '6.weight')).toEqual(expected);
  });

  test('a mask that is none is refused, and changes nothing', async () => {
    const net = smallNet().initialize({ seed: 1 });
    await prune.magnitude(net, { amount: 0.6 });
    const path = join(folder, 'bad.safetensors');
    const file = decodeSafetensors(path, await net.toBuffer());
    file.tensors.get('6.weight_mask')!.bytes[3] = 0x40;
    await writeFileAtomic(path, encodeSafetensors(file));
    const before = await weightsDigest(net);
    await expect(net.load(path)).rejects.toThrow(FormatError);
    await expect(nn.load(path)).rejects.toThrow(/'6.weight_mask' is a mask/);
    expect(await weightsDigest(net)).toBe(before);
  });

  test('a pruned run that was interrupted ends with the same bits', async () => {
    const pruned = async (): Promise<nn.Module> => {
      const net = smallNet().initialize({ seed: 3 });
      await prune.magnitude(net, { amount: 0.8, scope: 'global' });
      return net;
    };
    const dir = join(folder, 'run');
    const whole = smallTrainer(await pruned());
    await whole.fit(await someGlyphs(), { epochs: 2 });
    await smallTrainer(await pruned()).fit(await someGlyphs(), {
      epochs: 2,
      maxSteps: 9,
      callbacks: [checkpoint(dir, { everySteps: 9 })],
    });
    const resumed = smallTrainer(smallNet());
    await resumed.fit(await someGlyphs(), { epochs: 2, resume: dir });
    expect(await weightsDigest(resumed.model)).toBe(await weightsDigest(whole.model));
    expect((await prune.sparsity(resumed.model)).remaining).toBe(Math.round(0.2 * (36 + 1960)));
  });
});

describe('lottery tickets', () => {
  test('train, prune, rewind, again; each ticket begins from the first weights', async () => {
    const net = nn.sequential(nn.linear(6, 10), nn.tanh(), nn.linear(10, 3)).initialize({ seed: 2 });
    const initial = await prune.snapshot(net);
    const begun: number[][] = [];
    const left: number[] = [];
    const train = async (model: nn.Module, round: number): Promise<string> => {
      begun.push(weights(model, '0.weight'));
      const step = stepOf(model, optim.adam({ lr: 0.05 }));
      for (let i = 0; i < 10; i++) await step();
      return `round ${round}`;
    };
    let trained: number[] = [];
    for await (const { round, sparsity, result, start } of prune.lotteryTicket(net, {
      rounds: 2,
      amount: 0.5,
      train,
    })) {
      expect(result).toBe(`round ${round}`);
      left.push(sparsity.remaining);
      if (round === 0) trained = weights(net, '0.weight');
      expect(start.get('0.weight')).toEqual(initial.get('0.weight'));
    }
    expect(left).toEqual([90, 45, 15 + 7]);
    expect(begun[0]).toEqual([...initial.get('0.weight')!]);
    const limit = trained.map(Math.abs).sort((a, b) => a - b)[30]!;
    expect(begun[1]).toEqual(begun[0]!.map((w, i) => (Math.abs(trained[i]!) < limit ? 0 : w)));
    expect(begun[2]!.filter((w) => w !== 0)).toHaveLength(15);
    await prune.rewind(net, initial);
    expect(weights(net, '0.weight')).toEqual(begun[2]);
  });
});

describe('bad input', () => {
  test('options', async () => {
    const net = nn.linear(3, 2).initialize();
    const magnitude = (options: unknown): Promise<unknown> =>
      (async () => prune.magnitude(net, options as prune.AmountOptions))();
    await expect(magnitude({ amount: 1.5 })).rejects.toThrow(OptionError);
    await expect(magnitude({ amount: NaN })).rejects.toThrow(OptionError);
    await expect(magnitude({})).rejects.toThrow(OptionError);
    await expect(magnitude(undefined)).rejects.toThrow(OptionError);
    await expect(magnitude({ amout: 0.5 })).rejects.toThrow('did you mean "amount"');
    await expect(magnitude({ amount: 0.5, scope: 'all' })).rejects.toThrow(OptionError);
    await expect(magnitude({ amount: 0.5, match: 'nothing' })).rejects.toThrow('matches nothing');
    await expect(magnitude({ amount: () => 0.5, scope: 'global' })).rejects.toThrow(
      'amount must be a number',
    );
    await expect((async () => prune.magnitude({} as nn.Module, { amount: 1 }))()).rejects.toThrow(
      OptionError,
    );
    await expect((async () => prune.magnitude(nn.relu(), { amount: 1 }))()).rejects.toThrow(
      'no weight of rank 2',
    );
    expect(net.namedParameters().get('weight')!.mask).toBeUndefined();
    expect(() => prune.remove(net, { match: 'nothing' })).toThrow(OptionError);
  });

  test('masks and snapshots', async () => {
    const net = nn.linear(3, 2).initialize();
    await expect(prune.setMasks(net, new Map([['weigth', [1]]]))).rejects.toThrow('no parameter "weigth"');
    await expect(prune.setMasks(net, new Map([['weight', [1]]]))).rejects.toThrow(ShapeError);
    await expect(prune.setMasks(net, new Map([['weight', [1, 0, 1, 0, 1, 2]]]))).rejects.toThrow(OptionError);
    await expect(prune.setMasks(net, {} as prune.MaskValues)).rejects.toThrow(OptionError);
    await expect(prune.rewind(net, new Map())).rejects.toThrow('the snapshot has no "weight"');
    await expect(prune.rewind(net, new Map([['weight', new Float32Array(1)]]))).rejects.toThrow(ShapeError);
    expect(() => prune.lotteryTicket(net, { rounds: -1, train: () => 0 })).toThrow(OptionError);
    expect(() => prune.lotteryTicket(net, { rounds: 1 } as never)).toThrow('train must be a function');
    class Named extends nn.Module {
      readonly weight = nn.parameter([2, 2], nn.init.ones());
      readonly weight_mask = nn.buffer([2, 2]);
      override forward(input: Tensor): Tensor {
        return ops.matmul(input, this.weight);
      }
    }
    await expect(prune.magnitude(new Named().initialize(), { amount: 0.5 })).rejects.toThrow('"weight_mask"');
  });
});
