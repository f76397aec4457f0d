/** Weights of classes and focal losses, beside PyTorch's values and gradients. */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import * as losses from '../../lib/losses';
import { sum } from '../../lib/ops';
import { persistent, tensor, type Tensor } from '../../lib/tensor/tensor';
import { values } from '../fixtures/class_weights.json';
import { symmetric } from '../fixtures/numbers';
import { expectClose } from '../ops/support';

const SHAPE = [6, 4];
const classWeights = values.weight;
const labels = tensor(Int32Array.from({ length: 6 }, (_, i) => i % 4));
const targets: Record<string, Tensor> = {
  labels,
  soft: tensor(values.soft, SHAPE),
  bits: tensor(values.bits, SHAPE),
  part: tensor(values.part, SHAPE),
};

/** The loss that a case of the fixture is named after, and its targets. */
function caseOf(name: string): [losses.Loss, Tensor] {
  const [kind, a = '', b = '', reduction] = name.split(' ');
  const reduced = { reduction: reduction as losses.Reduction };
  switch (kind) {
    case 'crossEntropy':
      return [losses.crossEntropy({ classWeights, labelSmoothing: Number(b), ...reduced }), targets[a]!];
    case 'hinge':
      return [
        losses.hinge({ classWeights, p: Number(a) as 1 | 2, reduction: b as losses.Reduction }),
        labels,
      ];
    case 'focal':
      return [losses.focal({ gamma: Number(b), alpha: classWeights }), targets[a]!];
    default:
      return a === 'without'
        ? [losses.sigmoidFocal(), targets['bits']!]
        : [losses.sigmoidFocal({ gamma: Number(b), alpha: 0.25 }), targets[a]!];
  }
}

const cases = Object.entries(values.cases);

test.each(cases)('%s has the value and gradient of PyTorch', async (name, { y, dx }) => {
  const [loss, target] = caseOf(name);
  const x = persistent(symmetric(24, 100, 3), SHAPE);
  const step = compile(() => {
    const value = loss(x, target);
    return { value, dx: grad(sum(value), [x])[0]! };
  });
  const result = await step();
  expectClose(await result.value.data(), y, 2e-6, name);
  expectClose(await result.dx.data(), dx, 2e-6, name);
});

const x = tensor(symmetric(24, 100, 3), SHAPE);
const valueOf = (loss: losses.Loss, target = labels, weights?: Tensor): number =>
  loss(x, target, weights).itemSync();

test('weights of classes and of examples multiply', () => {
  const each = Array.from(losses.crossEntropy({ classWeights, reduction: 'none' })(x, labels).dataSync());
  const examples = [1, 2, 0.5, 0, 3, 1];
  const top = each.reduce((total, loss, i) => total + loss * examples[i]!, 0);
  const below = examples.reduce((total, weight, i) => total + weight * classWeights[i % 4]!, 0);
  const loss = losses.crossEntropy({ classWeights });
  expect(valueOf(loss, labels, tensor(examples))).toBeCloseTo(top / below, 5);
  expect(loss.divisor!(x, labels, tensor(examples))!.itemSync()).toBeCloseTo(below, 5);
  expect(loss.divisor!(x, targets['soft']!)).toBeUndefined();
});

test('equal weights change nothing, and focal loss of gamma 0 is cross entropy', () => {
  const plain = valueOf(losses.crossEntropy());
  expect(valueOf(losses.crossEntropy({ classWeights: [3, 3, 3, 3] }))).toBeCloseTo(plain, 6);
  expect(valueOf(losses.focal({ gamma: 0 }))).toBeCloseTo(plain, 6);
  const bits = targets['bits']!;
  const binary = valueOf(losses.binaryCrossEntropyWithLogits(), bits);
  expect(valueOf(losses.sigmoidFocal({ gamma: 0 }), bits)).toBeCloseTo(binary, 6);
  expect(valueOf(losses.sigmoidFocal({ gamma: 0, alpha: 0.5 }), bits)).toBeCloseTo(binary / 2, 6);
});

test('a batch whose weights are all 0 has a loss of 0, not NaN', () => {
  const third = tensor(Int32Array.from({ length: 6 }, () => 2)); // the class of weight 0
  expect(valueOf(losses.crossEntropy({ classWeights }), third)).toBe(0);
  expect(valueOf(losses.mse(), tensor(values.soft, SHAPE), tensor([0, 0, 0, 0, 0, 0]))).toBe(0);
});

test('focal losses of outputs far out are finite, with finite gradients', async () => {
  const far = persistent([200, -200, 1000, -1000, 0, 88, -104, 3], [2, 4]);
  for (const gamma of [0.3, 1, 2, 3.5]) {
    const both = [
      [losses.focal({ gamma }), tensor(Int32Array.of(1, 2))],
      [losses.sigmoidFocal({ gamma }), tensor([1, 1, 0, 0, 1, 0, 1, 0], [2, 4])],
    ] as const;
    for (const [loss, target] of both) {
      const step = compile(() => {
        const value = loss(far, target);
        return [value, grad(value, [far])[0]!];
      });
      for (const t of await step()) expect(Array.from(await t.data()).every(Number.isFinite)).toBe(true);
    }
  }
});

test("'balanced' weights are n / (K count)", () => {
  const counts = [10, 30, 20];
  const weights = losses.balancedWeights(counts);
  expect(weights).toEqual([2, 2 / 3, 1]);
  expect(counts.reduce((total, count, i) => total + count * weights[i]!, 0)).toBeCloseTo(60, 12);
  expect(() => losses.balancedWeights([3, 0])).toThrow('there are no examples of class 1');
  const counted = [6, 12, 18, 24];
  const numbers = losses.balancedWeights(counted);
  for (const [balanced, given] of [
    [losses.crossEntropy({ classWeights: 'balanced', labelSmoothing: 0.1 }), { labelSmoothing: 0.1 }],
    [losses.hinge({ classWeights: 'balanced' }), {}],
  ] as const) {
    const make = 'labelSmoothing' in given ? losses.crossEntropy : losses.hinge;
    expect(valueOf(balanced.settle!(counted))).toBe(valueOf(make({ ...given, classWeights: numbers })));
  }
  expect(valueOf(losses.focal({ alpha: 'balanced' }).settle!(counted))).toBe(
    valueOf(losses.focal({ alpha: numbers })),
  );
  const bits = targets['bits']!;
  const positive = losses.binaryCrossEntropyWithLogits({ positiveWeight: 'balanced' });
  expect(valueOf(positive.settle!([30, 10]), bits)).toBe(
    valueOf(losses.binaryCrossEntropyWithLogits({ positiveWeight: 3 }), bits),
  );
});

describe('bad input', () => {
  test.each([
    [
      () => losses.crossEntropy({ classWeights: [1, -1] }),
      'classWeights must be a finite number of at least 0',
    ],
    [() => losses.crossEntropy({ classWeights: [1, NaN] }), 'classWeights must be a finite number'],
    [() => losses.crossEntropy({ classWeights: [0, 0] }), 'classWeights must have a weight above 0'],
    [() => losses.crossEntropy({ classWeights: [] }), 'classWeights must have a weight above 0'],
    [
      () => losses.crossEntropy({ classWeights: 'balance' as 'balanced' }),
      'must be numbers or "balanced", got "balance" (did you mean "balanced"?)',
    ],
    [() => losses.crossEntropy({ classWeights: 3 as never }), 'classWeights must be a list, got 3'],
    [
      () => losses.crossEntropy({ weight: [1] } as never),
      'unknown option "weight" (did you mean "classWeights"?)',
    ],
    [() => losses.focal({ gamma: -1 }), 'gamma must be a finite number of at least 0, got -1'],
    [() => losses.sigmoidFocal({ alpha: 2 }), 'alpha must be a number from 0 to 1, got 2'],
    [
      () => losses.crossEntropy({ classWeights: [1, 2, 3] })(x, labels),
      'losses.crossEntropy: classWeights has 3 weights, but the outputs are of 4 classes',
    ],
    [() => losses.focal({ alpha: [1] })(x, labels), 'alpha has 1 weights, but the outputs are of 4 classes'],
    [
      () => losses.crossEntropy({ classWeights: 'balanced' })(x, labels),
      "classWeights 'balanced' is for Trainer.fit",
    ],
    [
      () => losses.binaryCrossEntropyWithLogits({ positiveWeight: 'balanced' }).settle!([1, 2, 3]),
      "positiveWeight 'balanced' is for two classes, the data set has 3",
    ],
    [() => losses.crossEntropy({ classWeights })(x, labels, tensor([1, 2])), 'weights must be [6], got [2]'],
    [() => losses.focal()(tensor([1, 2]), labels), 'losses.focal: expects outputs [N, K], got [2]'],
    [() => losses.focal()(x, tensor([1, 2])), 'focal_cross_entropy: targets [2] are f32'],
  ])('%#', (work, message) => {
    expect(work).toThrow(message);
  });

  test('a label that no weight stands for rejects with a DataError', async () => {
    const wrong = tensor(Int32Array.from({ length: 6 }, () => 4));
    for (const loss of [
      losses.crossEntropy({ classWeights }),
      losses.crossEntropy({ classWeights, labelSmoothing: 0.1 }),
      losses.focal(),
    ])
      await expect(loss(x, wrong).item()).rejects.toMatchObject({ code: 'ERR_TENON_DATA' });
  });
});
