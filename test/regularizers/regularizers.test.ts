/** Penalties in the loss, and limits on norms after the step. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, grad, losses, nn, ops, optim, regularizers, tensor, Trainer, type Tensor } from '../../lib';
import * as data from '../../lib/data';
import { checkpoint, describeEpoch, type FitControl, type FitOptions, type History } from '../../lib/train';
import { withTarget } from '../../lib/tensor/target';
import { numbers } from '../ops/support';

const net = (): nn.Module =>
  nn.sequential(nn.linear(6, 8), nn.batchNorm1d(8), nn.tanh(), nn.linear(8, 3)).initialize({ seed: 3 });
const inputs = Float32Array.from(numbers([20, 6]));
const labels = Int32Array.from({ length: 20 }, (_, i) => i % 3);
const loss = losses.crossEntropy();

async function weightsOf(model: nn.Module): Promise<Record<string, number[]>> {
  const weights: Record<string, number[]> = {};
  for (const [name, parameter] of model.namedParameters()) weights[name] = [...(await parameter.data())];
  return weights;
}

async function train(optimizer: optim.Optimizer, penalty?: regularizers.Regularizer): Promise<nn.Module> {
  const model = net();
  const step = compile((x: Tensor, y: Tensor) => {
    const value = loss(model.forward(x), y);
    optimizer.update(grad(penalty === undefined ? value : ops.add(value, penalty(model))));
    return value;
  });
  for (let i = 0; i < 25; i++) await step(tensor(inputs, [20, 6]), tensor(labels));
  return model;
}

function largestDifference(a: Record<string, number[]>, b: Record<string, number[]>): number {
  return Math.max(...Object.entries(a).flatMap(([k, v]) => v.map((x, i) => Math.abs(x - b[k]![i]!))));
}

describe('penalties', () => {
  it('L2 in the loss is coupled decay of SGD, to 1e-6', async () => {
    const [lambda, sgd] = [0.05, { lr: 0.1, momentum: 0.9 }];
    const [plain, decayed, penalized] = await Promise.all([
      train(optim.sgd(sgd)).then(weightsOf),
      train(optim.sgd({ ...sgd, weightDecay: lambda })).then(weightsOf),
      train(optim.sgd(sgd), regularizers.l2(lambda)).then(weightsOf),
    ]);
    expect(largestDifference(decayed, penalized)).toBeLessThan(1e-6);
    expect(largestDifference(decayed, plain)).toBeGreaterThan(0.01);
  });

  it.each([
    ['l1', regularizers.l1(0.3), (w: number) => 0.3 * Math.abs(w)],
    ['l2', regularizers.l2(0.3), (w: number) => 0.15 * w * w],
  ] as const)('%s: value and gradient against differences in float64', (_, penalty, of) => {
    withTarget('ref', () => {
      const model = nn.linear(3, 2).initialize({ seed: 1 });
      const run = compile(() => {
        const value = penalty(model);
        const g = grad(value);
        return { value, weight: g.get(model.weight)!, bias: g.get(model.bias!)! };
      }).runSync();
      const w = [...model.weight.dataSync(), ...model.bias!.dataSync()];
      const expected = w.reduce((sum, v) => sum + of(v), 0);
      expect(Math.abs(run.value.itemSync() - expected)).toBeLessThan(1e-12);
      const analytic = [...run.weight.dataSync(), ...run.bias.dataSync()];
      w.forEach((v, i) => {
        const numeric = (of(v + 1e-5) - of(v - 1e-5)) / 2e-5;
        expect(Math.abs(analytic[i]! - numeric)).toBeLessThan(1e-6);
      });
    });
  });

  it('act on what matches and is trained', async () => {
    const model = net();
    const sum = async (penalty: regularizers.Regularizer): Promise<number> => penalty(model).item();
    const weights = await weightsOf(model);
    const half = (names: string[]): number =>
      names.flatMap((name) => weights[name]!).reduce((total, w) => total + (w * w) / 2, 0);
    expect(await sum(regularizers.l2(1))).toBeCloseTo(half(Object.keys(weights)), 4);
    const decaying = ['0.weight', '3.weight'];
    expect(await sum(regularizers.l2(1, { match: optim.decays }))).toBeCloseTo(half(decaying), 5);
    expect(await sum(regularizers.l2(1, { match: '3' }))).toBeCloseTo(half(['3.weight', '3.bias']), 5);
    model.requiresGrad(false, '3.bias');
    expect(await sum(regularizers.l2(1, { match: '3' }))).toBeCloseTo(half(['3.weight']), 5);
    expect(() => regularizers.l2(1, { match: 'fc' })(model)).toThrow(
      /regularizers.l2: .* no trained parameter/,
    );
    expect(() => regularizers.l1(-1)).toThrow(/regularizers.l1: lambda must be/);
    expect(() => regularizers.l1(1, { match: 3 as never })).toThrow(/match must be/);
    expect(() => regularizers.l2(1, { matches: '3' } as never)).toThrow(/did you mean "match"/);
  });

  it('read lambda in each step and compile nothing for it', async () => {
    const model = nn.linear(2, 1, { weightInit: nn.init.constant(2), biasInit: 'zeros' }).initialize();
    const penalty = regularizers.l1(1);
    const run = compile(() => ops.mul(penalty(model), 1));
    expect((await run()).itemSync()).toBe(4);
    penalty.lambda = 0.5;
    expect((await run()).itemSync()).toBe(2);
    expect(run.profile()).toHaveLength(1);
    penalty.lambda = NaN;
    await expect(run()).rejects.toThrow(/lambda must be/);
  });

  it('are what a Trainer minimizes and does not report', async () => {
    const set = await data.fromFeatures({ inputs, shape: [6], targets: labels });
    const sgd = { lr: 0.05 };
    const fit = async (options: object, optimizer: optim.Optimizer, more = {}) => {
      const model = net();
      const trainer = new Trainer(model, { loss, optimizer, seed: 1, ...options });
      const { epochs } = await trainer.fit(set, { epochs: 2, batchSize: 5, ...more });
      return { weights: await weightsOf(model), epochs };
    };
    for (const more of [{}, { accumulate: 2 }]) {
      const decayed = await fit({}, optim.sgd({ ...sgd, weightDecay: 0.1 }), more);
      const penalized = await fit({ regularizer: regularizers.l2(0.1) }, optim.sgd(sgd), more);
      const twice = [regularizers.l2(0.04), regularizers.l2(0.06)];
      const summed = await fit({ regularizer: twice }, optim.sgd(sgd), more);
      expect(largestDifference(decayed.weights, penalized.weights)).toBeLessThan(1e-6);
      expect(largestDifference(decayed.weights, summed.weights)).toBeLessThan(1e-6);
      expect(penalized.epochs[0]!.trainLoss).toBeCloseTo(decayed.epochs[0]!.trainLoss, 6);
    }
    const bad = (regularizer: unknown) => () =>
      new Trainer(net(), { loss, optimizer: optim.sgd(sgd), regularizer: regularizer as never });
    expect(bad(3)).toThrow(/Trainer: regularizer must be one such as regularizers.l2/);
    expect(bad(regularizers.l2)).toThrow(/call it: regularizers.l2\(\)/);
  });
});

describe('max-norm', () => {
  const norms = (w: number[], length: number): number[] =>
    Array.from({ length: w.length / length }, (_, o) =>
      Math.sqrt(w.slice(o * length, (o + 1) * length).reduce((sum, v) => sum + v * v, 0)),
    );

  it.each([
    ['sgd', () => optim.sgd({ lr: 0.1, momentum: 0.9, maxNorm: 0.5 })],
    ['adam', () => optim.adam({ lr: 0.05, maxNorm: 0.5 })],
  ] as const)('%s keeps the norm of each output unit, and leaves biases and norms alone', async (_, make) => {
    const weights = await weightsOf(await train(make()));
    const [first, last] = [norms(weights['0.weight']!, 6), norms(weights['3.weight']!, 8)];
    for (const norm of [...first, ...last]) expect(norm).toBeLessThan(0.5 + 1e-6);
    expect(first.some((norm) => norm > 0.4999)).toBe(true);
    expect(weights['1.weight']!.some((v) => v > 0.6)).toBe(true);
  });

  it('is a step and then the scaling, as in PyTorch', async () => {
    const model = nn.linear(2, 2, { bias: false, weightInit: nn.init.constant(1) }).initialize();
    const optimizer = optim.sgd({ lr: 0.5, maxNorm: 1 });
    const step = compile((x: Tensor) => {
      const value = ops.sum(model.forward(x));
      optimizer.update(grad(value));
      return value;
    });
    await step(tensor([2, 6], [1, 2]));
    // w = 1 - 0.5 (2, 6) = (0, -2), of norm 2.
    const [a, b] = await model.weight.data();
    expect(Math.abs(a!)).toBeLessThan(1e-6);
    expect(Math.abs(b! + 1)).toBeLessThan(1e-6);
    optimizer.maxNorm = 0.25; // compiles nothing
    await step(tensor([0, 0], [1, 2]));
    expect(Math.abs((await model.weight.data())[1]! + 0.25)).toBeLessThan(1e-6);
    expect(step.profile()).toHaveLength(1);
  });

  it('of groups, and bad limits', async () => {
    const optimizer = optim.sgd({ lr: 0.1, groups: [{ match: '3', maxNorm: 0.1 }] });
    const weights = await weightsOf(await train(optimizer));
    for (const norm of norms(weights['3.weight']!, 8)) expect(norm).toBeLessThan(0.1 + 1e-6);
    expect(norms(weights['0.weight']!, 6).some((norm) => norm > 0.2)).toBe(true);
    expect(() => optim.sgd({ lr: 1, maxNorm: 0 })).toThrow(/maxNorm must be/);
    expect(() => optim.adam({ groups: [{ match: '3', maxNorm: -1 }] })).toThrow(/maxNorm of a group must be/);
  });
});

describe('the penalty of a run', () => {
  const lambdas = [0.02, 0.3];
  const terms = [regularizers.l1(lambdas[0]!), regularizers.l2(lambdas[1]!)];
  const set = () => data.fromFeatures({ inputs, targets: labels, shape: [6] });

  /** In float64. */
  async function penaltyOf(model: nn.Module): Promise<number> {
    const weights = Object.values(await weightsOf(model)).flat();
    return weights.reduce((sum, w) => sum + lambdas[0]! * Math.abs(w) + (lambdas[1]! / 2) * w * w, 0);
  }

  async function run(options: Partial<FitOptions>, regularizer = terms) {
    const trainer = new Trainer(net(), { loss, optimizer: optim.sgd({ lr: 0.1 }), regularizer });
    const steps: { penalty?: number; loss: number }[] = [];
    const weights = [await penaltyOf(trainer.model)];
    const onSteps = async (_: number, control: FitControl): Promise<void> => {
      steps.push(control.lastStep!);
      weights.push(await penaltyOf(trainer.model));
    };
    const callbacks = [...(options.callbacks ?? []), { everySteps: 1, onSteps }];
    const history = await trainer.fit(await set(), { epochs: 2, batchSize: 8, ...options, callbacks });
    return { steps, weights, history };
  }

  it.each([1, 2])(
    'is that of the weights before each step, and its mean, at %d batches for each step',
    async (n) => {
      const { steps, weights, history } = await run({ batchSize: 8, lastBatch: 'keep', accumulate: n });
      steps.forEach(({ penalty }, i) => expect(penalty).toBeCloseTo(weights[i]!, 5));
      const sizes = n === 1 ? [8, 8, 4] : [16, 4];
      expect(steps).toHaveLength(2 * sizes.length);
      history.epochs.forEach(({ penalty }, e) => {
        const own = sizes.reduce(
          (sum, size, i) => sum + (size / 20) * steps[e * sizes.length + i]!.penalty!,
          0,
        );
        expect(penalty).toBeCloseTo(own, 6);
      });
      expect(history.epochs[0]!.penalty).toBeGreaterThan(0.1);
    },
  );

  it('is not part of the loss, and absent without regularizers', async () => {
    const [plain, tiny] = [await run({}, []), await run({}, [regularizers.l2(1e-12)])];
    for (const record of [...plain.steps, ...plain.history.epochs])
      expect(record).not.toHaveProperty('penalty');
    plain.steps.forEach(({ loss: value }, i) => expect(tiny.steps[i]!.loss).toBeCloseTo(value, 6));
    expect(describeEpoch(plain.history.epochs[0]!, 2)).not.toContain('penalty');
    const record = (await run({})).history.epochs[0]!;
    expect(describeEpoch(record, 2)).toContain(`  penalty ${record.penalty!.toFixed(4)}  accuracy`);
  });

  it('goes on after a resume within an epoch', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tenon-penalty-'));
    try {
      const whole = await run({});
      await run({ maxSteps: 4, callbacks: [checkpoint(dir, { everySteps: 1 })] });
      const rest = await run({ resume: dir });
      const penalties = (history: History) => history.epochs.map(({ penalty }) => penalty);
      expect(penalties(rest.history)).toEqual(penalties(whole.history));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
