import { frontOf } from '../../../lib/tune/study/front';
import { trialOf } from '../strategies/harness';

const front = (...values: readonly (readonly number[])[]): number[] =>
  frontOf(
    values.map((value, i) => trialOf(i, [], {}, { values: value })),
    ['minimize', 'maximize'],
  ).map(({ number }) => number);

it('the front has what no other trial beats, and of equal trials all', () => {
  expect(front([1, 1], [2, 2], [2, 1], [1, 1], [0, 0])).toEqual([0, 1, 3, 4]);
  expect(front()).toEqual([]);
});

it('infinities compare, and what is not a number is worst', () => {
  expect(front([Infinity, 2], [Infinity, 1], [1, -Infinity], [2, -Infinity])).toEqual([0, 2]);
  expect(front([1, NaN], [1, -5])).toEqual([1]);
});

it('trials without a value for each objective are left out', () => {
  const running = trialOf(1, [], {}, { state: 'running' });
  expect(frontOf([trialOf(0, [], {}, { values: [1] }), running], ['minimize', 'maximize'])).toEqual([]);
});
