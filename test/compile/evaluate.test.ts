/**
 * `tensor.data()` needs the evaluator, which stands far above tensors: the public entry hooks it up, and
 * nothing below it does.
 */
import type * as entry from '../../lib';
import type * as ops from '../../lib/ops';
import type * as tensors from '../../lib/tensor/tensor';

/** Modules as a process has them that has loaded nothing yet. */
function fresh<M extends object>(path: string): M {
  return jest.requireActual<M>(path);
}

beforeEach(() => void jest.resetModules());

test('the main entry brings the evaluator', () => {
  const { ops, tensor } = fresh<typeof entry>('../../lib');
  expect(Array.from(ops.add(tensor([1, 2]), tensor([3, 4])).dataSync())).toEqual([4, 6]);
});

test('without it, asking for values says what to import', () => {
  const { add } = fresh<typeof ops>('../../lib/ops');
  const { tensor } = fresh<typeof tensors>('../../lib/tensor/tensor');
  expect(() => add(tensor([1]), tensor([2])).dataSync()).toThrow(/import tenon by its main entry/);
});
