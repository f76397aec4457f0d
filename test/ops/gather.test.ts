import { DataError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';

it('gatherRows picks rows of any type', async () => {
  const labels = tensor(Int32Array.of(5, 6, 7));
  expect(Array.from(await ops.gatherRows(labels, tensor(Int32Array.of(2, 0, 2))).data())).toEqual([7, 5, 7]);
  await expect(ops.gatherRows(labels, tensor(Int32Array.of(3))).data()).rejects.toThrow(DataError);
});
