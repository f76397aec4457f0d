import { softplus } from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { distinct, testOp } from './support';

testOp('softplus', {
  'around zero': {
    args: [{ shape: [2, 3, 5, 7], values: distinct([2, 3, 5, 7]).map((x) => 8 * x) }],
    fn: softplus,
    reference: (x) => x.map((v) => Math.log1p(Math.exp(v))),
  },
});

it('softplus does not overflow', async () => {
  expect(Array.from(await softplus(tensor([-200, 0, 200])).data())).toEqual([0, Math.fround(Math.LN2), 200]);
});

it('softplus rejects integers', () => {
  expect(() => softplus(tensor(new Int32Array([1])))).toThrow(/softplus: x must be f32, got i32/);
});
