import '../../lib/graph/evaluate';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import { tensor } from '../../lib/tensor/tensor';

const x = tensor([1, 2, 3, 1, 0, -1], [2, 3]);
const labels = tensor(Int32Array.of(2, 1));
const logSumExp = (v: number[]): number => Math.log(v.reduce((s, a) => s + Math.exp(a), 0));
const each = [logSumExp([1, 2, 3]) - 3, logSumExp([1, 0, -1])];

test('cross entropy', () => {
  expect(losses.crossEntropy()(x, labels).itemSync()).toBeCloseTo((each[0]! + each[1]!) / 2, 5);
  expect(losses.crossEntropy({ reduction: 'sum' })(x, labels).itemSync()).toBeCloseTo(each[0]! + each[1]!, 5);
  expect(
    losses
      .crossEntropy()(x, labels, tensor([3, 1]))
      .itemSync(),
  ).toBeCloseTo((3 * each[0]! + each[1]!) / 4, 5);
  const smooth = each[0]! * 0.7 + 0.3 * (logSumExp([1, 2, 3]) - 2);
  const one = losses.crossEntropy({ labelSmoothing: 0.3 })(
    tensor([1, 2, 3], [1, 3]),
    tensor(Int32Array.of(2)),
  );
  expect(one.itemSync()).toBeCloseTo(smooth, 5);
  expect(one.shape).toEqual([]);
});

test('mse', () => {
  const y = tensor([0, 0, 0, 0, 0, 3], [2, 3]);
  expect(losses.mse()(x, y).itemSync()).toBeCloseTo((14 + 17) / 6, 5);
  expect(losses.mse({ reduction: 'sum' })(x, y).itemSync()).toBeCloseTo(31, 5);
  expect(
    losses
      .mse()(x, y, tensor([1, 0]))
      .itemSync(),
  ).toBeCloseTo(14 / 3, 5);
  expect(() => losses.mse()(x, labels)).toThrow(
    'losses.mse: outputs [2, 3] and targets [2] must have one shape',
  );
});

test('accuracy counts', () => {
  expect(metrics.accuracy().count(x, labels).itemSync()).toBe(1);
});

test('bad options', () => {
  expect(() => losses.crossEntropy({ labelSmoothing: 2 })).toThrow(
    'labelSmoothing must be a number from 0 to 1, got 2',
  );
  expect(() => losses.crossEntropy({ reduction: 'avg' as never })).toThrow('reduction');
  expect(() => losses.mse({ x: 1 } as never)).toThrow('unknown option');
  expect(() => losses.crossEntropy()(x, labels, tensor([1, 2, 3]))).toThrow('weights must be [2], got [3]');
});
