import { localResponseNorm } from '../../lib/ops';
import { tensor } from '../../lib/tensor/tensor';
import { numel, type Shape } from '../../lib/tensor/shape';
import { distinct, testOp, type Numbers, type OpCase } from './support';

/** The definition, element by element; x in N, C, positions order. */
function normalized(
  x: Numbers,
  [, channels, ...positions]: Shape,
  size: number,
  alpha: number,
  beta: number,
  k: number,
): Numbers {
  const plane = numel(positions);
  return x.map((v, i) => {
    const c = Math.floor(i / plane) % channels!;
    let sum = 0;
    for (let j = c - Math.floor(size / 2); j <= c + Math.floor((size - 1) / 2); j++)
      if (j >= 0 && j < channels!) sum += x[i + (j - c) * plane]! ** 2;
    return v / (k + (alpha / size) * sum) ** beta;
  });
}

function caseOf(shape: Shape, size: number, alpha?: number, beta?: number, k?: number): OpCase {
  return {
    args: [{ shape, values: distinct(shape).map((v) => 3 * v) }],
    fn: (x) => localResponseNorm(x, { size, alpha, beta, k }),
    reference: (x) => normalized(x, shape, size, alpha ?? 1e-4, beta ?? 0.75, k ?? 1),
  };
}

testOp('localResponseNorm', {
  "AlexNet's": caseOf([2, 7, 3, 2], 5, 5e-4, 0.75, 2),
  defaults: caseOf([2, 3, 2, 3], 3),
  'an even size, strong': caseOf([2, 35, 2, 1], 4, 2, 0.5, 0.5),
  'one channel': caseOf([1, 1, 3, 3], 1, 1, 1.5, 1),
  'more neighbours than channels': caseOf([2, 5, 2, 2], 1001, 300, 0.75, 1),
  'whole vectors': caseOf([1, 64, 2, 2], 5, 1, 0.75, 1),
  rows: caseOf([2, 18, 5], 3, 1, 0.75, 2),
  'no exponent': caseOf([1, 4, 2, 2], 3, 1, 0, 1),
  'an empty batch': caseOf([0, 4, 2, 2], 3),
});

it.each<[object, string]>([
  [{}, 'local_response_norm: size must be a positive integer, got undefined'],
  [{ size: 2.5 }, 'size must be a positive integer'],
  [{ size: 5, k: 0 }, 'k must be a finite number above 0'],
  [{ size: 5, alpa: 1 }, 'unknown option "alpa" (did you mean "alpha"?)'],
])('localResponseNorm rejects %p', (options, message) => {
  expect(() => localResponseNorm(tensor([[[[1]]]]), options as never)).toThrow(message);
});

it('localResponseNorm rejects vectors and integers', () => {
  expect(() => localResponseNorm(tensor([1, 2]), { size: 3 })).toThrow('x must have rank 3 or 4');
  expect(() => localResponseNorm(tensor(new Int32Array(4), [1, 1, 2, 2]), { size: 3 })).toThrow(
    'x must be f32, got i32',
  );
});
