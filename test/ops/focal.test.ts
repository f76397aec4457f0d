import { focalCrossEntropy, sigmoidFocalCrossEntropy } from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { numbers, testOp, type Numbers } from './support';

const ROWS = 5;
const CLASSES = 7;
const x = numbers([ROWS, CLASSES]).map((v) => 3 * v);
const labels = Float64Array.from({ length: ROWS }, (_, i) => (3 * i) % CLASSES);
const shares = numbers([ROWS, CLASSES], 5).map((v) => (v + 1) / CLASSES);
const alpha = numbers([CLASSES], 9).map((v) => v + 1.5);

function focal(
  logits: Numbers,
  target: (row: number, k: number) => number,
  gamma: number,
  factors?: Numbers,
) {
  return Array.from({ length: ROWS }, (_, row) => {
    const e = Array.from(logits.subarray(row * CLASSES, (row + 1) * CLASSES), Math.exp);
    const total = e.reduce((a, b) => a + b);
    return e.reduce((loss, part, k) => {
      const p = part / total;
      return loss - target(row, k) * (factors?.[k] ?? 1) * (1 - p) ** gamma * Math.log(p);
    }, 0);
  });
}

const logits = { shape: [ROWS, CLASSES], values: x };
const classes = { shape: [ROWS], values: labels, dtype: 'i32' } as const;
const soft = { shape: [ROWS, CLASSES], values: shares };

testOp('focalCrossEntropy', {
  'of labels': {
    args: [logits, classes],
    fn: (a, t) => focalCrossEntropy(a, t, 2),
    reference: (a) => focal(a, (row, k) => Number(labels[row] === k), 2),
  },
  'of shares, with alpha and a fractional gamma': {
    args: [logits, soft, { shape: [CLASSES], values: alpha }],
    differentiate: [0],
    fn: (a, t, w) => focalCrossEntropy(a, t, 1.7, w),
    reference: (a, t, w) => focal(a, (row, k) => t[row * CLASSES + k]!, 1.7, w),
  },
  'of gamma 1': {
    args: [logits, classes],
    fn: (a, t) => focalCrossEntropy(a, t, 1),
    reference: (a) => focal(a, (row, k) => Number(labels[row] === k), 1),
  },
  'of gamma 0': {
    args: [logits, classes],
    fn: (a, t) => focalCrossEntropy(a, t, 0),
    reference: (a) => focal(a, (row, k) => Number(labels[row] === k), 0),
  },
});

function sigmoidFocal(a: Numbers, t: Numbers, gamma: number, factor?: number): Numbers {
  return a.map((v, i) => {
    const p = 1 / (1 + Math.exp(-v));
    const ti = t[i]!;
    const loss = -(ti * Math.log(p) + (1 - ti) * Math.log(1 - p));
    const hit = ti * p + (1 - ti) * (1 - p);
    const weight = factor === undefined ? 1 : factor * ti + (1 - factor) * (1 - ti);
    return weight * (1 - hit) ** gamma * loss;
  });
}

testOp('sigmoidFocalCrossEntropy', {
  'gamma 2, alpha': {
    args: [logits, soft],
    differentiate: [0],
    fn: (a, t) => sigmoidFocalCrossEntropy(a, t, 2, 0.25),
    reference: (a, t) => sigmoidFocal(a, t, 2, 0.25),
  },
  'gamma 0.5': {
    args: [logits, soft],
    differentiate: [0],
    fn: (a, t) => sigmoidFocalCrossEntropy(a, t, 0.5),
    reference: (a, t) => sigmoidFocal(a, t, 0.5),
  },
});

it('focal losses reject what does not fit', () => {
  const scores = tensor([1, 2, 3, 4], [2, 2]);
  const right = tensor(Int32Array.of(0, 1));
  expect(() => focalCrossEntropy(scores, right, -1)).toThrow('gamma must be a finite number of at least 0');
  expect(() => focalCrossEntropy(scores, right, 2, tensor([1, 2, 3]))).toThrow('alpha must be [2], got [3]');
  expect(() => focalCrossEntropy(scores, right, 2, 3 as never)).toThrow('alpha must be a tensor');
  expect(() => sigmoidFocalCrossEntropy(scores, tensor([1, 2]), 2)).toThrow('must have one shape');
  expect(() => sigmoidFocalCrossEntropy(scores, scores, 2, -1)).toThrow('alpha must be a number from 0 to 1');
});
