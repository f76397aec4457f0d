import { cast, sampleUniform } from '../../lib/ops';
import { runtimeScalar, tensor } from '../../lib/tensor/tensor';
import { Stream } from '../augment/support';

const epoch = runtimeScalar(() => 3);
const rows = (...values: number[]) => tensor(Int32Array.from(values));

test('sampleUniform: a row is the stream of its sample', async () => {
  const operands = { samples: rows(4, 9, 4), occurrence: rows(0, 0, 1), epoch };
  const values = [...(await sampleUniform(operands, { seed: 8, place: 2, count: 5 }).data())];
  const wanted = [
    [4, 0],
    [9, 0],
    [4, 1],
  ].flatMap(([sample, occurrence]) => {
    const stream = new Stream(8, sample!, 2, 3, occurrence);
    return Array.from({ length: 5 }, () => stream.uniform());
  });
  expect(values).toEqual(wanted);
});

test.each([
  ['a place of 0', { place: 0 }, 'place must be a positive integer'],
  ['no numbers', { count: 0 }, 'count must be a positive integer'],
])('sampleUniform refuses %s', (_, wrong, message) => {
  const operands = { samples: rows(1), occurrence: rows(0), epoch };
  expect(() => sampleUniform(operands, { seed: 1, place: 1, count: 1, ...wrong })).toThrow(message);
});

test('sampleUniform refuses occurrences of another number of samples', () => {
  expect(() =>
    sampleUniform({ samples: rows(1), occurrence: rows(0, 0), epoch }, { seed: 1, place: 1, count: 1 }),
  ).toThrow('occurrence must be [1], as index is, got [2]');
});

test('cast to u8 truncates and clamps', async () => {
  const x = tensor([-3, 0.9, 1.5, 254.99, 255, 300, NaN]);
  expect([...(await cast(x, 'u8').data())]).toEqual([0, 0, 1, 254, 255, 255, 0]);
  expect([...(await cast(cast(x, 'u8'), 'f32').data())]).toEqual([0, 0, 1, 254, 255, 255, 0]);
});
