/** Checked by tsc (npm run lint): each @ts-expect-error must be an error, every other line none. */
import { alike } from '../../lib/graph/facts';
import type { OpRecord } from '../../lib/graph/op';

test('an op says how it treats bf16', () => {
  const rest: Omit<OpRecord<null>, 'bf16'> = {
    name: 'softplus',
    infer: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
    lower: (l) => l.call('softplus', l.inputs, l.outputs),
  };
  const pointwise: OpRecord<null> = { ...rest, bf16: alike };
  const safe: OpRecord<null> = { ...rest, bf16: 'f32' };
  // @ts-expect-error: without the fact an op is not an op
  const silent: OpRecord<null> = rest;
  // @ts-expect-error: operands that no kernel takes
  const odd: OpRecord<null> = { ...rest, bf16: 'bf16' };
  expect([pointwise, safe, silent, odd].map((op) => op.name)).toEqual(Array(4).fill('softplus'));
});
