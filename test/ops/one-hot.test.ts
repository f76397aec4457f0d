import { DataError, DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { oneHot } from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';

test('ones stand at the class', async () => {
  const rows = oneHot(tensor(Int32Array.of(2, 0, 2)), 3);
  expect(rows.shape).toEqual([3, 3]);
  expect([...(await rows.data())]).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 1]);
});

test('bad classes', async () => {
  await expect(oneHot(tensor(Int32Array.of(1, 3)), 3).data()).rejects.toThrow(DataError);
  await expect(oneHot(tensor(Int32Array.of(-1)), 3).data()).rejects.toThrow(DataError);
  expect(() => oneHot(tensor([1, 2]), 3)).toThrow(DTypeError);
  expect(() => oneHot(tensor(Int32Array.of(1, 3), [1, 2]), 3)).toThrow(ShapeError);
  expect(() => oneHot(tensor(Int32Array.of(1)), 0)).toThrow(OptionError);
});
