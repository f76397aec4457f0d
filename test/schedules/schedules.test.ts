import { OptionError } from '../../lib/errors';
import * as schedules from '../../lib/schedules';
import { values as torch } from '../fixtures/schedules.json';

const at = (step: number): schedules.Progress => ({
  step,
  epoch: Math.floor(step / 10),
  totalSteps: 100,
  stepsPerEpoch: 10,
});

test('values', () => {
  expect(schedules.constant()(at(7))).toBe(1);
  expect([0, 29, 30, 60].map((s) => schedules.step({ size: 3, gamma: 0.5 })(at(s)))).toEqual([
    1, 1, 0.5, 0.25,
  ]);
  expect([0, 20, 50].map((s) => schedules.multiStep({ milestones: [2, 5] })(at(s)))).toEqual([
    1,
    0.1,
    0.1 ** 2,
  ]);
  const cosine = schedules.cosine({ min: 0.2 });
  expect(cosine(at(0))).toBe(1);
  expect(cosine(at(50))).toBeCloseTo(0.6, 12);
  expect(cosine(at(100))).toBeCloseTo(0.2, 12);
  expect(cosine(at(500))).toBeCloseTo(0.2, 12);
});

test('warm-up rises and then hands over', () => {
  const schedule = schedules.warmup(20, schedules.cosine());
  expect(schedule(at(0))).toBeCloseTo(1 / 20, 12);
  expect(schedule(at(9))).toBeCloseTo(0.5, 12);
  expect(schedule(at(20))).toBe(1);
  expect(schedule(at(60))).toBeCloseTo(0.5, 12);
  expect(schedules.warmup(0)(at(0))).toBe(1);
});

const makers: Record<string, (options: never) => schedules.Schedule> = {
  step: schedules.step,
  multiStep: schedules.multiStep,
  exponential: schedules.exponential,
  cosine: schedules.cosine,
  linear: schedules.linear,
  polynomial: schedules.polynomial,
  warmRestarts: schedules.warmRestarts,
  oneCycle: schedules.oneCycle,
  reduceOnPlateau: schedules.reduceOnPlateau,
};

test.each(Object.entries(torch.cases))('%s equals PyTorch', (_, { kind, options, rates }) => {
  const history = torch.metrics.map((m) => ({ validationLoss: m, validationAccuracy: 1 - m }));
  const points = schedules.curve(makers[kind]!(options as never), { epochs: 30, history });
  points.forEach(({ learningRate }, i) => expect(learningRate).toBeCloseTo(rates[i]!, 10));
});

/** The factors of 100 steps in 10 epochs. */
function factors(schedule: schedules.Schedule): number[] {
  return schedules.curve(schedule, { epochs: 10, stepsPerEpoch: 10 }).map((p) => p.learningRate);
}

test('decays of the lecture, per epoch and per step', () => {
  const closed: [schedules.Schedule, (t: number) => number][] = [
    [schedules.exponential({ k: 0.3, per: 'step' }), (t) => Math.exp(-0.3 * t)],
    [schedules.exponential({ k: 0.3 }), (t) => Math.exp(-0.3 * Math.floor(t / 10))],
    [schedules.inverse({ k: 0.5, per: 'step' }), (t) => 1 / (1 + 0.5 * t)],
    [schedules.inverse({ k: 0.5 }), (t) => 1 / (1 + 0.5 * Math.floor(t / 10))],
    [schedules.cosine(), (t) => (1 + Math.cos((t * Math.PI) / 100)) / 2],
    [schedules.cosine({ per: 'epoch' }), (t) => (1 + Math.cos((Math.floor(t / 10) * Math.PI) / 10)) / 2],
    [schedules.linear(), (t) => 1 - t / 100],
    [schedules.linear({ per: 'epoch', length: 5 }), (t) => Math.max(0, 1 - Math.floor(t / 10) / 5)],
    [schedules.inverseSqrt(), (t) => 1 / Math.sqrt(t + 1)],
    [schedules.inverseSqrt({ per: 'epoch' }), (t) => 1 / Math.sqrt(Math.floor(t / 10) + 1)],
    [schedules.polynomial({ power: 0.5 }), (t) => Math.sqrt(1 - t / 100)],
    [schedules.step({ size: 25, per: 'step' }), (t) => 0.1 ** Math.floor(t / 25)],
    [schedules.multiStep({ milestones: [30, 60, 90], per: 'step' }), (t) => 0.1 ** Math.floor(t / 30)],
    [schedules.rangeTest({ from: 0.01, to: 1 }), (t) => 10 ** (-2 + (2 * t) / 99)],
    [schedules.rangeTest({ from: 0.01, to: 1, length: 3, shape: 'linear' }), (t) => [0.01, 0.505][t] ?? 1],
    [schedules.scaled(3, schedules.linear()), (t) => 3 * (1 - t / 100)],
  ];
  for (const [schedule, expected] of closed)
    factors(schedule).forEach((factor, t) => expect(factor).toBeCloseTo(expected(t), 12));
});

test('warm-up over a part of an epoch, in whole steps', () => {
  const warm = schedules.curve(schedules.warmup(0.3, schedules.constant(), { per: 'epoch' }), {
    epochs: 1,
    stepsPerEpoch: 8,
  });
  expect(warm.map(({ learningRate }) => learningRate)).toEqual([0.5, 1, 1, 1, 1, 1, 1, 1]);
  // From 0.2 in a straight line; exactly 1 behind it.
  const raised = factors(schedules.warmup(4, schedules.constant(), { start: 0.2 })).slice(0, 5);
  [0.4, 0.6, 0.8, 1, 1].forEach((factor, t) => expect(raised[t]).toBeCloseTo(factor, 12));
  expect(raised.slice(3)).toEqual([1, 1]);
  expect(() => schedules.warmup(4, schedules.constant(), { start: 1.5 })).toThrow('start');
  expect(() => schedules.warmup(0.3)).toThrow('steps');
  expect(() => schedules.warmup(-0.5, schedules.constant(), { per: 'epoch' })).toThrow('epochs');
});

test('composition: warm-up in epochs, into any other; sequences', () => {
  const warm = factors(schedules.warmup(2, schedules.step({ size: 3 }), { per: 'epoch' }));
  expect([warm[0], warm[9], warm[19], warm[20], warm[49]].map((v) => v!.toFixed(3))).toEqual([
    '0.050',
    '0.500',
    '1.000',
    '1.000',
    '1.000',
  ]);
  expect(warm[50]).toBeCloseTo(0.1, 12);
  // As Vaswani et al. have it: both parts meet.
  const attention = factors(schedules.warmup(20, schedules.inverseSqrt({ from: 20 })));
  attention.forEach((f, t) =>
    expect(f).toBeCloseTo(Math.min((t + 1) / 20, t < 20 ? 1 : Math.sqrt(20 / t)), 12),
  );
  const parts = factors(
    schedules.sequence([
      { schedule: schedules.linear(), length: 3 },
      { schedule: schedules.cosine({ per: 'epoch' }), length: 4 },
      { schedule: schedules.scaled(0.5, schedules.step({ size: 1 })) },
    ]),
  );
  parts.forEach((factor, t) => {
    const e = Math.floor(t / 10);
    const expected =
      e < 3 ? 1 - t / 30 : e < 7 ? (1 + Math.cos((Math.PI * (e - 3)) / 4)) / 2 : 0.5 * 0.1 ** (e - 7);
    expect(factor).toBeCloseTo(expected, 12);
  });
  expect(schedules.linearScaling(0.1, { batchSize: 1024 })).toBeCloseTo(0.4, 12);
});

test('streams: epochs are known, steps are not', () => {
  const stream = { step: 7, epoch: 5, totalSteps: Infinity, stepsPerEpoch: Infinity, totalEpochs: 10 };
  expect(schedules.linear({ per: 'epoch' })(stream)).toBe(0.5);
  expect(schedules.warmup(4, schedules.linear({ per: 'epoch' }))(stream)).toBe(0.5);
  const parts = [{ schedule: schedules.constant(), length: 3 }, { schedule: schedules.step({ size: 2 }) }];
  expect(schedules.sequence(parts)(stream)).toBeCloseTo(0.1, 12);
  expect(schedules.linear({ length: 14 })(stream)).toBe(0.5);
  for (const schedule of [
    schedules.linear(),
    schedules.oneCycle(),
    schedules.rangeTest({ from: 1, to: 2 }),
    schedules.warmup(1, schedules.constant(), { per: 'epoch' }),
  ])
    expect(() => schedule(stream)).toThrow(OptionError);
});

test('streams: a later part of a sequence of epochs cannot count steps', () => {
  const stream = {
    step: 500,
    epoch: 2,
    totalSteps: Infinity,
    stepsPerEpoch: Infinity,
    totalEpochs: 5,
  };
  const behind = (schedule: schedules.Schedule): schedules.Schedule =>
    schedules.sequence([{ schedule: schedules.constant(), length: 2 }, { schedule }]);
  for (const schedule of [
    schedules.warmup(10),
    schedules.cosine({ length: 500 }),
    schedules.oneCycle({ length: 500 }),
    schedules.inverseSqrt(),
    schedules.sequence([{ schedule: schedules.constant(), length: 5 }, { schedule: schedules.constant() }], {
      per: 'step',
    }),
  ]) {
    expect(() => behind(schedule)(stream)).toThrow('count its time in epochs, or the sequence in steps');
    expect(() => behind(schedule)(stream)).toThrow(OptionError);
  }
  const perEpoch = schedules.linear({ per: 'epoch' });
  const twice = behind(behind(perEpoch));
  expect(behind(perEpoch)({ ...stream, epoch: 3 })).toBeCloseTo(2 / 3, 12);
  expect(behind(schedules.warmup(0, perEpoch))({ ...stream, epoch: 3 })).toBeCloseTo(2 / 3, 12);
  expect(twice({ ...stream, epoch: 4 })).toBe(1);
  // The first part begins where the training does; how many steps it has, nobody knows.
  const first = (schedule: schedules.Schedule): schedules.Schedule =>
    schedules.sequence([{ schedule, length: 2 }, { schedule: schedules.constant() }]);
  expect(first(schedules.warmup(10))({ ...stream, step: 4, epoch: 1 })).toBe(0.5);
  const limited = { ...stream, step: 25, epoch: 0, totalSteps: 100 };
  expect(() => first(schedules.linear())(limited)).toThrow('pass a length');
  expect(schedules.sequence([{ schedule: schedules.linear() }])(limited)).toBe(0.75);
});

test('a plateau takes NaN for no improvement, and for no best figure either', () => {
  const plateau = schedules.reduceOnPlateau({ metric: 'trainLoss', patience: 1, factor: 0.5 });
  const rate = (...losses: number[]): number =>
    plateau({ ...at(0), history: losses.map((trainLoss) => ({ trainLoss })) });
  expect(rate(NaN, 4, 3, 2, 1)).toBe(1);
  expect(rate(NaN, NaN)).toBe(0.5);
  expect(rate(4, NaN, 3, NaN, 2)).toBe(1);
  expect(rate(4, NaN, NaN)).toBe(0.5);
  const rising = schedules.reduceOnPlateau({ metric: 'trainAccuracy', patience: 1, factor: 0.5 });
  const accuracies = [NaN, 0.1, 0.2, 0.3].map((trainAccuracy) => ({ trainAccuracy }));
  expect(rising({ ...at(0), history: accuracies })).toBe(1);
});

test('a plateau behind other parts looks at its own epochs only', () => {
  const plateau = schedules.reduceOnPlateau({ metric: 'trainLoss', patience: 0, factor: 0.5 });
  // The best loss is one of the first two epochs.
  const history = [1, 1, 5, 4, 4, 3].map((trainLoss) => ({ trainLoss }));
  const expected = [1, 1, 1, 1, 1, 0.5];
  const parts = schedules.sequence([{ schedule: schedules.constant(), length: 2 }, { schedule: plateau }]);
  const curve = schedules.curve(parts, { epochs: 6, history, stepsPerEpoch: 3 });
  expect(curve.filter((_, i) => i % 3 === 0).map((p) => p.learningRate)).toEqual(expected);
  const warm = schedules.curve(schedules.warmup(6, plateau), { epochs: 6, history, stepsPerEpoch: 3 });
  expect(
    warm
      .slice(6)
      .filter((_, i) => i % 3 === 0)
      .map((p) => p.learningRate),
  ).toEqual(expected.slice(2));
  const stream = {
    step: 18,
    epoch: 6,
    totalSteps: Infinity,
    stepsPerEpoch: Infinity,
    totalEpochs: 9,
    history,
  };
  expect(parts(stream)).toBe(0.5);
});

test('a plateau needs its figure; a factor must be a rate', () => {
  const plateau = schedules.reduceOnPlateau({ metric: 'validationLoss' });
  expect(() => plateau({ ...at(10), history: [{ trainLoss: 1 }] })).toThrow('epoch 1 has no validationLoss');
  for (const bad of [NaN, -1, Infinity, '1' as never])
    expect(() => schedules.curve(() => bad, { epochs: 2 })).toThrow('factor of the learning rate');
});

test('bad options', () => {
  expect(() => schedules.step({ size: 0 })).toThrow('size must be a positive integer');
  expect(() => schedules.step(undefined as never)).toThrow('size');
  expect(() => schedules.multiStep({ milestones: [3, 2] })).toThrow('ascend');
  expect(() => schedules.multiStep({ milestones: 3 as never })).toThrow('array');
  expect(() => schedules.cosine({ min: NaN })).toThrow('min');
  expect(() => schedules.warmup(-1)).toThrow('steps');
  expect(() => schedules.warmup(1, 3 as never)).toThrow('inner schedule');
  expect(() => schedules.exponential({})).toThrow('either k or gamma');
  expect(() => schedules.exponential({ k: NaN })).toThrow('k must be');
  expect(() => schedules.inverse({ k: -1 })).toThrow('k must be');
  expect(() => schedules.inverseSqrt({ from: 0 })).toThrow('from');
  expect(() => schedules.linear({ length: 0 })).toThrow('length');
  expect(() => schedules.linear({ per: 'epochs' as never })).toThrow('did you mean "epoch"?');
  expect(() => schedules.polynomial({ power: 0 })).toThrow('power');
  expect(() => schedules.warmRestarts({ period: 2, growth: 0.5 })).toThrow('growth');
  expect(() => schedules.oneCycle({ rise: 2 })).toThrow('rise');
  expect(() => schedules.rangeTest({ from: 0, to: 1 })).toThrow('from');
  expect(() => schedules.sequence([])).toThrow('expected a list');
  for (const bad of [undefined, null, 3])
    expect(() => schedules.sequence([bad as never])).toThrow(OptionError);
  expect(() =>
    schedules.sequence([{ schedule: schedules.constant() }, { schedule: schedules.linear() }]),
  ).toThrow('part 0: length must be');
  expect(() => schedules.scaled(-1, schedules.constant())).toThrow('factor');
  expect(() => schedules.reduceOnPlateau({ factor: 1 })).toThrow('below 1');
  expect(() => schedules.linearScaling(0.1, { batchSize: 0 })).toThrow('batchSize');
  expect(() => schedules.curve(schedules.constant(), { epochs: 0 })).toThrow('epochs');
});
