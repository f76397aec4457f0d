import { join } from 'node:path';
import { compile } from '../../lib/compile/compile';
import * as data from '../../lib/data';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';
import * as schedules from '../../lib/schedules';
import { checkpoint, Trainer, type Callback } from '../../lib/train';
import { NonFiniteError } from '../../lib/errors';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import {
  editState,
  failure,
  smallNet,
  smallTrainer,
  someGlyphs,
  temporaryDirectories,
  weightsDigest,
} from './helpers';

const directory = temporaryDirectories();

type Values = Map<string, Float64Array>;

function valuesOf(model: nn.Module): Values {
  const tensors = [...model.namedParameters(), ...model.namedBuffers()];
  return new Map(tensors.map(([name, t]) => [name, Float64Array.from(t.dataSync())]));
}

function averaged(average: optim.WeightAverage): Values {
  return new Map([...average.state().tensors].map(([name, t]) => [name, Float64Array.from(t.dataSync())]));
}

function expectClose(found: Values, expected: Values, tolerance = 1e-6): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, values] of expected)
    values.forEach((v, i) =>
      expect(Math.abs(found.get(name)![i]! - v)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(v))),
    );
}

/** mean += share (x - mean), in double. */
function take(mean: Values, x: Values, share: number): void {
  for (const [name, values] of x) {
    const m = mean.get(name) ?? new Float64Array(values.length);
    mean.set(
      name,
      m.map((v, i) => v + share * (values[i]! - v)),
    );
  }
}

describe('an exponential moving average', () => {
  test.each([true, false])(
    'follows the formula in every step (warm-up %s), and is validated',
    async (warmup) => {
      const glyphs = await someGlyphs();
      const average = optim.ema({ decay: 0.6, warmup });
      const trainer = smallTrainer(smallNet(), { average });
      const mean: Values = new Map();
      const watch: Callback = {
        everySteps: 1,
        onSteps: (step) => {
          const keep = warmup ? Math.min(0.6, step / (9 + step)) : 0.6;
          take(mean, valuesOf(trainer.model), step === 1 ? 1 : 1 - keep);
        },
      };
      const { epochs } = await trainer.fit(glyphs, { epochs: 2, validation: glyphs, callbacks: [watch] });
      expect(average.count).toBe(14);
      expectClose(averaged(average), mean);
      const before = await weightsDigest(trainer.model);
      const found = await trainer.evaluate(glyphs);
      expect(found.loss).toBe(epochs[1]!.validationLoss);
      const trained = await trainer.evaluate(glyphs, { weights: 'trained' });
      expect(trained.loss).not.toBe(found.loss);
      expect(await weightsDigest(trainer.model)).toBe(before);
      await trainer.useAverage();
      expect(valuesOf(trainer.model)).toEqual(averaged(average));
      expect((await trainer.evaluate(glyphs, { weights: 'trained' })).loss).toBe(found.loss);
    },
  );

  test('in a loop of your own; a step that is not finite takes nothing in', async () => {
    const model = nn.linear(2, 1).initialize({ seed: 1 });
    const average = optim.ema({ decay: 0.5, warmup: false });
    const optimizer = optim.adam({ lr: 0.1 });
    const mse = losses.mse();
    const step = compile((x: Tensor) => {
      optimizer.update(grad(mse(model.forward(x), tensor([[1]].flat(), [1, 1]))));
      average.record(model);
    });
    const mean: Values = new Map();
    for (let i = 0; i < 3; i++) {
      await step(tensor([1, i], [1, 2]));
      take(mean, valuesOf(model), i === 0 ? 1 : 0.5);
    }
    await expect(step(tensor([NaN, 1], [1, 2]))).rejects.toThrow(NonFiniteError);
    expect(average.count).toBe(3);
    expectClose(averaged(average), mean);
    const other = nn.linear(2, 1).initialize({ seed: 5 });
    await average.copyTo(other);
    expect(valuesOf(other)).toEqual(averaged(average));
    expect(() => average.inPlaceOf(model, () => 0)).toThrow(
      'average.inPlaceOf: call it in a function given to compile()',
    );
    average.dispose();
    await expect(average.copyTo(other)).rejects.toThrow('no weights have been averaged yet');
  });
});

describe('stochastic weight averaging', () => {
  test('is the mean of the weights at the ends of epochs; batch norm has statistics of its own', async () => {
    const glyphs = await someGlyphs();
    const average = optim.swa({ start: 2, every: 2 });
    const trainer = smallTrainer(smallNet(), { average, schedule: schedules.constant() });
    const [mean, taken]: [Values, number[]] = [new Map(), []];
    const onEvent: Callback['onEvent'] = (event) => {
      if (event.type !== 'epoch' || (event.epoch !== 2 && event.epoch !== 4)) return;
      taken.push(event.epoch);
      take(mean, valuesOf(trainer.model), 1 / taken.length);
    };
    await trainer.fit(glyphs, { epochs: 5, validation: glyphs, callbacks: [{ onEvent }] });
    expect(average.count).toBe(2);
    const parameters = (values: Values): Values =>
      new Map([...values].filter(([name]) => !name.includes('running')));
    expectClose(parameters(averaged(average)), parameters(mean));
    expect((await failure(() => trainer.evaluate(glyphs))).message).toContain(
      'call updateBatchNorm(data) first',
    );
    const before = await weightsDigest(trainer.model);
    await trainer.updateBatchNorm(glyphs, { batchSize: 50 });
    expect(await weightsDigest(trainer.model)).toBe(before);
    const { loss } = await trainer.evaluate(glyphs);
    await trainer.useAverage();
    expect((await trainer.evaluate(glyphs, { weights: 'trained' })).loss).toBe(loss);
    // The same of the model itself, which has the averaged weights now.
    const alone = new Trainer(trainer.model, {
      loss: losses.crossEntropy(),
      optimizer: optim.sgd({ lr: 0 }),
    });
    const adapted = valuesOf(trainer.model);
    await alone.updateBatchNorm(glyphs, { batchSize: 50 });
    expect(valuesOf(trainer.model)).toEqual(adapted);
    // The mean over equal batches is the mean over all.
    const meanOver = async (batchSize: number): Promise<Float64Array> => {
      await alone.updateBatchNorm(glyphs.take(100), { batchSize });
      return valuesOf(trainer.model).get('1.running_mean')!;
    };
    const whole = await meanOver(100);
    (await meanOver(25)).forEach((v, c) => expect(v).toBeCloseTo(whole[c]!, 6));
    expect(whole).not.toEqual(adapted.get('1.running_mean'));
  });
});

test('updateBatchNorm gives every layer its mean over the batches, and leaves modes as they were', async () => {
  const width = 5;
  const values = Float32Array.from({ length: 60 * width }, (_, i) => Math.sin(i * i) + (i < 150 ? 1 : 0));
  const rows = (from: number, to: number): Promise<data.Dataset> =>
    data.fromFeatures({
      inputs: values.subarray(from * width, to * width),
      shape: [width],
      targets: new Int32Array(to - from),
      classNames: ['a', 'b'],
    });
  const norms = [nn.batchNorm1d(4), nn.batchNorm1d(3), nn.batchNorm1d(2)] as const;
  const model = nn.sequential(
    nn.linear(width, 4),
    norms[0],
    nn.linear(4, 3),
    norms[1],
    nn.linear(3, 2),
    norms[2],
  );
  const trainer = new Trainer(model, { loss: losses.crossEntropy(), optimizer: optim.sgd({ lr: 0 }) });
  const statistics = async (from: number, to: number): Promise<number[]> => {
    await trainer.updateBatchNorm(await rows(from, to), { batchSize: 20 });
    return norms.flatMap((norm) => [...norm.runningMean!.dataSync(), ...norm.runningVar!.dataSync()]);
  };
  const parts = [await statistics(0, 20), await statistics(20, 40), await statistics(40, 60)];
  model.eval();
  norms[0].training = true;
  const whole = await statistics(0, 60);
  whole.forEach((v, i) => expect(v).toBeCloseTo((parts[0]![i]! + parts[1]![i]! + parts[2]![i]!) / 3, 5));
  expect([...model.namedModules().values()].filter((m) => m.training)).toEqual([norms[0]]);
});

describe('resume', () => {
  test.each([
    ['ema', (): optim.WeightAverage => optim.ema({ decay: 0.9 })],
    ['swa', (): optim.WeightAverage => optim.swa({ start: 1 })],
  ])('%s goes on with the same bits', async (_, make) => {
    const glyphs = await someGlyphs();
    const whole = smallTrainer(smallNet(), { average: make() });
    await whole.fit(glyphs, { epochs: 3 });
    const dir = directory();
    await smallTrainer(smallNet(), { average: make() }).fit(glyphs, {
      epochs: 3,
      maxSteps: 10,
      callbacks: [checkpoint(dir, { everySteps: 10 })],
    });
    const trainer = smallTrainer(smallNet(), { average: make() });
    await trainer.fit(glyphs, { epochs: 3, resume: dir });
    expect(averaged(trainer.average!)).toEqual(averaged(whole.average!));
    expect(await weightsDigest(trainer.model)).toBe(await weightsDigest(whole.model));
    expect(trainer.average!.count).toBe(whole.average!.count);
    const without = await failure(() => smallTrainer().fit(glyphs, { epochs: 3, resume: dir }));
    expect(without.message).toContain('average of weights, the trainer has no');
    const file = join(dir, 'checkpoint-10', 'state.json');
    for (const change of [null, { count: -1 }, { count: 3, statistics: '0' }]) {
      editState<{ average: object }>(file, (state) => ({
        ...state,
        average: change && { ...state.average, ...change },
      }));
      const damaged = smallTrainer(smallNet(), { average: make() });
      const error = await failure(() => damaged.fit(glyphs, { epochs: 3, resume: dir }));
      expect(error.code).toBe('ERR_TENON_FORMAT');
      expect(await weightsDigest(damaged.model)).toBe(
        await weightsDigest(smallNet().initialize({ seed: 3 })),
      );
    }
  });

  test('a plateau and accumulated batches go on with the same bits', async () => {
    const glyphs = await someGlyphs();
    const schedule = schedules.reduceOnPlateau({ metric: 'trainLoss', patience: 0, threshold: 0.2 });
    const make = (): Trainer => smallTrainer(smallNet(), { schedule });
    const options = { epochs: 4, batchSize: 16, accumulate: 3 };
    const whole = make();
    const { epochs, steps } = await whole.fit(glyphs, options);
    expect(steps).toBe(20); // 13 batches an epoch
    expect(epochs.some(({ learningRate }) => learningRate < 0.05)).toBe(true);
    const dir = directory();
    await make().fit(glyphs, { ...options, maxSteps: 13, callbacks: [checkpoint(dir, { everySteps: 13 })] });
    const trainer = make();
    const history = await trainer.fit(glyphs, { ...options, resume: dir });
    expect(history.steps).toBe(20);
    expect(await weightsDigest(trainer.model)).toBe(await weightsDigest(whole.model));
    const other = await failure(() => make().fit(glyphs, { ...options, accumulate: 2, resume: dir }));
    expect(other.message).toContain('accumulate 3, this run has 2');
  });
});

test('bad options', async () => {
  const glyphs = await someGlyphs();
  expect(() => smallTrainer(smallNet(), { average: 'ema' as never })).toThrow('average must be one such as');
  expect(() => optim.ema({ decay: 1 })).toThrow('decay must be a number from 0 to below 1');
  expect(() => optim.swa({ start: 0 })).toThrow('start must be a positive integer');
  expect(() => optim.swa(undefined as never)).toThrow('start');
  expect(() => smallTrainer().fit(glyphs, { epochs: 1, accumulate: 0 })).toThrow('accumulate');
  const trainer = smallTrainer();
  expect((await failure(() => trainer.useAverage())).code).toBe('ERR_TENON_OPTION');
  expect((await failure(() => trainer.evaluate(glyphs, { weights: 'averaged' }))).message).toContain('yet');
  expect((await failure(() => trainer.evaluate(glyphs, { weights: 'best' as never }))).message).toContain(
    'weights must be one of',
  );
  const bad = smallTrainer(smallNet(), { schedule: ({ step }) => (step === 2 ? NaN : 1) });
  expect((await failure(() => bad.fit(glyphs, { epochs: 1 }))).message).toContain('got NaN at step 2');
});
