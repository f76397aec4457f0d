import { DataError, DTypeError } from '../../lib/errors';
import * as losses from '../../lib/losses';
import * as metrics from '../../lib/metrics';
import * as ops from '../../lib/ops';
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

test('hinge, with the sum over classes, weights and bad labels', async () => {
  // Class 2 of the scores 1, 2, 3 leads by the margin; class 1 of 1, 0, -1 misses it by 2 and by 0.
  expect(losses.hinge({ classes: 'sum', reduction: 'sum' })(x, labels).itemSync()).toBeCloseTo(2, 6);
  expect(losses.hinge()(x, labels).itemSync()).toBeCloseTo(2 / 3 / 2, 6);
  const weights = tensor([1, 3]);
  expect(losses.hinge()(x, labels, weights).itemSync()).toBeCloseTo(((2 / 3) * 3) / 4, 6);
  await expect(
    losses
      .hinge()(x, tensor(Int32Array.of(2, 3)))
      .item(),
  ).rejects.toThrow(DataError);
  expect(() => losses.hinge()(x, tensor(Int32Array.of(2)))).toThrow(
    'losses.hinge: expects outputs [N, K] and targets [N], got [2, 3] and [1]',
  );
});

test('losses of elements are weighted by example', () => {
  const y = tensor([1, 2, 0, 1, 0, 3], [2, 3]);
  const weights = tensor([1, 3]);
  expect(losses.l1()(x, y).itemSync()).toBeCloseTo(7 / 6, 6);
  expect(losses.l1()(x, y, weights).itemSync()).toBeCloseTo((1 + (3 * 4) / 3) / 4, 6);
  expect(losses.l1({ reduction: 'sum' })(x, y, weights).itemSync()).toBeCloseTo(15, 5);
  expect([...losses.l1({ reduction: 'none' })(x, y, weights).dataSync()]).toEqual([0, 0, 3, 0, 0, 12]);
  expect(losses.smoothL1({ beta: 0 })(x, y).itemSync()).toBeCloseTo(7 / 6, 6);
  expect(losses.huber({ delta: 2 })(x, y).itemSync()).toBeCloseTo((2 * 2 + 2 * 3) / 6, 5);
  for (const make of [losses.l1, losses.huber, losses.smoothL1, losses.binaryCrossEntropy])
    expect(() => make()(x, labels)).toThrow('must have one shape');
  expect(() => losses.l1({ reduction: 'none' })(x, y, tensor([1, 2, 3]))).toThrow('weights must be');
});

test('weights that are not a tensor are refused', () => {
  const y = tensor([1, 2, 0, 1, 0, 3], [2, 3]);
  for (const weights of [[1, 3], 2, null] as never[]) {
    expect(() => losses.crossEntropy()(x, labels, weights)).toThrow('weights must be a tensor');
    for (const reduction of ['mean', 'none'] as const)
      expect(() => losses.mse({ reduction })(x, y, weights)).toThrow(DTypeError);
  }
});

test('binary cross entropy takes labels of 0 and 1', () => {
  const z = tensor([0.5, -2, 3]);
  const bits = tensor(Int32Array.of(1, 0, 1));
  const each = [Math.log1p(Math.exp(-0.5)), Math.log1p(Math.exp(-2)), Math.log1p(Math.exp(-3))];
  const mean = each.reduce((a, b) => a + b) / 3;
  expect(losses.binaryCrossEntropyWithLogits()(z, bits).itemSync()).toBeCloseTo(mean, 6);
  expect(losses.binaryCrossEntropy()(ops.sigmoid(z), bits).itemSync()).toBeCloseTo(mean, 6);
  const weighted = losses.binaryCrossEntropyWithLogits({ positiveWeight: [1, 2] });
  expect(() => weighted(z, bits)).toThrow('2 weights do not fit the last axis of outputs [3]');
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
  expect(() => losses.hinge({ p: 3 as 2 })).toThrow('losses.hinge: p must be one of 1, 2, got 3');
  expect(() => losses.hinge({ margin: NaN })).toThrow('margin');
  expect(() => losses.huber({ delta: 0 })).toThrow('delta must be a finite number above 0');
  expect(() => losses.smoothL1({ beta: -1 })).toThrow('beta');
  expect(() => losses.binaryCrossEntropyWithLogits({ positiveWeight: -1 })).toThrow('positiveWeight');
  expect(() => losses.binaryCrossEntropyWithLogits({ positiveWeight: [] })).toThrow('positiveWeight');
  expect(() => losses.crossEntropy()(x, labels, tensor([1, 2, 3]))).toThrow('weights must be [2], got [3]');
});
