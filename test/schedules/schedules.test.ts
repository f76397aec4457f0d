import * as schedules from '../../lib/schedules';

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

test('bad options', () => {
  expect(() => schedules.step({ size: 0 })).toThrow('size must be a positive integer');
  expect(() => schedules.step(undefined as never)).toThrow('size');
  expect(() => schedules.multiStep({ milestones: [3, 2] })).toThrow('ascend');
  expect(() => schedules.multiStep({ milestones: 3 as never })).toThrow('array');
  expect(() => schedules.cosine({ min: NaN })).toThrow('min');
  expect(() => schedules.warmup(-1)).toThrow('steps');
  expect(() => schedules.warmup(1, 3 as never)).toThrow('inner schedule');
});
