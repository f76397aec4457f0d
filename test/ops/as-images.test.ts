import { ShapeError } from '../../lib/errors';
import * as ops from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';

it('asImages reads interleaved bytes as images', async () => {
  const bytes = tensor(Uint8Array.of(1, 2, 3, 4, 5, 6), [1, 6]);
  expect(Array.from(await ops.cast(ops.asImages(bytes, [1, 3, 2]), 'f32').data())).toEqual([
    1, 3, 5, 2, 4, 6,
  ]);
  expect(() => ops.asImages(bytes, [2, 2, 2])).toThrow(ShapeError);
});
