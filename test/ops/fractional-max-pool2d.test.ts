import { DTypeError, OptionError, ShapeError } from '../../lib/errors';
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { setThreads } from '../../lib/native';
import * as ops from '../../lib/ops';
import { philox } from '../../lib/philox';
import { RandomState, streamKey } from '../../lib/random';
import { tensor, type Tensor } from '../../lib/tensor/tensor';
import { withTarget } from '../../lib/tensor/target';
import { values as pytorch } from '../fixtures/fractional.json';
import { symmetric } from '../fixtures/numbers';
import { distinct, expectClose, forEachIndex, numbers, testOp, type OpCase } from './support';

type Size = readonly [number, number];
type Shape4 = readonly [number, number, number, number];
type Kernel = 'disjoint' | 'overlapping' | Size;
type Region = readonly [begin: number, end: number];

/** Regions of an axis from the lengths of the steps between them. */
function regionsOf(kernel: Kernel, axis: 0 | 1, steps: readonly number[]): Region[] {
  const at = [0];
  for (const step of steps) at.push(at[at.length - 1]! + step);
  if (kernel === 'disjoint') return steps.map((_, i) => [at[i]!, at[i + 1]!]);
  if (kernel === 'overlapping') return steps.map((_, i) => [at[i]!, at[i + 1]! + 1]);
  return at.map((begin) => [begin, begin + kernel[axis]]);
}

/** How many steps there are, and their sum. */
function stepsOf(kernel: Kernel, axis: 0 | 1, input: number, output: number): [number, number] {
  if (kernel === 'disjoint') return [output, input];
  return kernel === 'overlapping' ? [output, input - 1] : [output - 1, input - kernel[axis]];
}

/** floor(a (i + 1 + u)) - floor(a (i + u)). */
function pseudorandom(count: number, total: number, u: number): number[] {
  const position = (i: number): number => Math.floor((total / count) * (i + u));
  return Array.from({ length: count }, (_, i) => position(i + 1) - position(i));
}

/** A step is one of the longer ones if a word's share of the steps left falls below the longer ones left. */
function shuffled(count: number, total: number, words: readonly number[]): number[] {
  let longer = total % count;
  return words.map((word, i) => {
    const take = Math.floor((word / 2 ** 32) * (count - i)) < longer;
    if (take) longer--;
    return Math.floor(total / count) + Number(take);
  });
}

interface Regions {
  readonly rows: readonly Region[];
  readonly columns: readonly Region[];
}

/** Output, and the place in x of each of its elements. */
function naive(
  x: ArrayLike<number>,
  shape: Shape4,
  regions: readonly Regions[],
): { y: number[]; at: number[] } {
  const [n, c, h, w] = shape;
  const { rows, columns } = regions[0]!;
  const [y, at]: number[][] = [[], []];
  forEachIndex([n, c, rows.length, columns.length], ([z, k, i, j]) => {
    const own = regions[z!]!;
    let best = -1;
    for (let row = own.rows[i!]![0]; row < own.rows[i!]![1]; row++)
      for (let column = own.columns[j!]![0]; column < own.columns[j!]![1]; column++) {
        const here = ((z! * c + k!) * h + row) * w + column;
        if (best < 0 || x[here]! > x[best]!) best = here;
      }
    at!.push(best);
    y!.push(x[best]!);
  });
  return { y: y!, at: at! };
}

/** The regions of every example at fixed u, or as Philox gives them. */
function regionsAt(
  shape: Shape4,
  kernel: Kernel,
  size: Size,
  draw: (example: number, word: number) => number,
  sequence: 'pseudorandom' | 'random' = 'pseudorandom',
): Regions[] {
  return Array.from({ length: shape[0] }, (_, n) => {
    let used = 0;
    const axisRegions = (axis: 0 | 1): Region[] => {
      const [count, total] = stepsOf(kernel, axis, shape[2 + axis]!, size[axis]);
      if (sequence === 'random')
        return regionsOf(
          kernel,
          axis,
          shuffled(
            count,
            total,
            Array.from({ length: count }, () => draw(n, used++)),
          ),
        );
      const u = Math.floor(draw(n, used++) / 256) / 2 ** 24;
      // One window lies at the end.
      if (count === 0) return [[total, shape[2 + axis]!]];
      return regionsOf(kernel, axis, pseudorandom(count, total, u));
    };
    return { rows: axisRegions(0), columns: axisRegions(1) };
  });
}

const middle = (): number => 2 ** 31;

function fixed(shape: Shape4, kernel: Kernel, outputSize: Size): OpCase {
  const values = distinct(shape);
  return {
    args: [{ shape, values }],
    fn: (x) => ops.fractionalMaxPool2d(x, kernel, { outputSize, draw: false }),
    reference: (x) => naive(x, shape, regionsAt(shape, kernel, outputSize, middle)).y,
  };
}

testOp('fractionalMaxPool2d at u = 1/2', {
  disjoint: fixed([2, 3, 9, 7], 'disjoint', [6, 5]),
  overlapping: fixed([2, 3, 9, 7], 'overlapping', [6, 5]),
  windows: fixed([1, 2, 9, 7], [2, 3], [6, 4]),
  'windows that leave some out': fixed([1, 2, 9, 8], [1, 2], [3, 3]),
  'one window, at the end': fixed([1, 2, 5, 6], [2, 3], [1, 1]),
  'one region': fixed([2, 2, 5, 6], 'disjoint', [1, 1]),
  'as many regions as positions': fixed([1, 2, 4, 3], 'disjoint', [4, 3]),
  'large regions': fixed([1, 1, 20, 13], 'overlapping', [2, 1]),
  'one pixel': fixed([1, 3, 1, 1], 'disjoint', [1, 1]),
});

test.each(pytorch.map((c, i) => [i, c] as const))('PyTorch, case %i', async (_, c) => {
  const size = ([height, width]: readonly number[]): Size => [height!, width!];
  const shape: Shape4 = [c.x[0]!, c.x[1]!, c.x[2]!, c.x[3]!];
  const [kernel, outputSize] = [size(c.kernel), size(c.outputSize)];
  const x = symmetric(
    shape.reduce((n, d) => n * d, 1),
    100,
    2,
  );
  const draw = (n: number, word: number): number => Math.round(c.u[n]![word]! * 2 ** 24) * 256;
  // The naive function of this file computes what PyTorch does ...
  const { y, at } = naive(x, shape, regionsAt(shape, kernel, outputSize, draw));
  expectClose(y, c.y, 1e-6, 'naive y');
  const weights = symmetric(y.length, 999, 1);
  const dx = new Float64Array(x.length);
  at.forEach((place, i) => (dx[place]! += weights[i]!));
  expectClose(dx, c.dx, 1e-6, 'naive dx');
  if (c.u.flat().some((u) => u !== 0.5)) return;
  // ... and so does the op, where it uses the same u.
  const step = compile((t: Tensor) => {
    const out = ops.fractionalMaxPool2d(t, kernel, { outputSize, draw: false });
    return [out, ...grad(ops.sum(ops.mul(out, tensor(weights, out.shape))), [t])];
  });
  const [out, gradient] = await step(tensor(x, shape));
  expectClose(await out!.data(), c.y, 1e-6, 'y');
  expectClose(await gradient!.data(), c.dx, 1e-6, 'dx');
});

/** Word `word` of example n: element n * words + word of the stream. */
function stream(random: RandomState, step: number, ordinal: number, words: number) {
  const [key0, key1] = streamKey(random.seed, '/fractional_max_pool2d');
  const block = new Uint32Array(4);
  return (n: number, word: number): number => {
    const element = n * words + word;
    philox(block, key0, key1, Math.floor(element / 4), 0, ordinal, step);
    return block[element % 4]!;
  };
}

const kernels: readonly Kernel[] = ['disjoint', 'overlapping', [2, 3]];
const drawn = kernels.flatMap((kernel) =>
  (['pseudorandom', 'random'] as const).map((sequence) => [kernel, sequence] as const),
);

describe.each(drawn)('drawn regions, %s, %s', (kernel, sequence) => {
  const shape: Shape4 = [3, 5, 13, 11];
  const outputSize: Size = [9, 7];
  const values = Float64Array.from(numbers(shape), Math.fround);
  const weights = numbers([3, 5, ...outputSize], 7);
  const words = sequence === 'pseudorandom' ? 2 : stepsOf(kernel, 0, 13, 9)[0] + stepsOf(kernel, 1, 11, 7)[0];

  function compiled(random: RandomState) {
    return compile(
      (t: Tensor) => {
        const out = ops.fractionalMaxPool2d(t, kernel, { outputSize, sequence });
        const second = ops.fractionalMaxPool2d(t, kernel, { outputSize, sequence });
        return [out, second, ...grad(ops.sum(ops.mul(out, tensor(weights, out.shape))), [t])];
      },
      { random },
    );
  }

  it.each(['ref', 'native'] as const)('are the Philox draws of seed, call, step, example: %s', (target) => {
    withTarget(target, () => {
      const random = new RandomState(11);
      const run = compiled(random);
      for (const step of [0, 1, 2]) {
        const [out, second, gradient] = run.runSync(tensor(values, shape));
        const { y, at } = naive(
          values,
          shape,
          regionsAt(shape, kernel, outputSize, stream(random, step, 0, words), sequence),
        );
        const dx = new Float64Array(values.length);
        at.forEach((place, i) => (dx[place]! += weights[i]!));
        expectClose(out!.dataSync(), y, 1e-7, `y of step ${step}`);
        expectClose(gradient!.dataSync(), dx, 2e-7, `dx of step ${step}`);
        const other = regionsAt(shape, kernel, outputSize, stream(random, step, 1, words), sequence);
        expectClose(second!.dataSync(), naive(values, shape, other).y, 1e-7, `second call, step ${step}`);
      }
    });
  });

  it('do not depend on threads', () => {
    const big: Shape4 = [4, 16, 40, 37];
    const run = (): Buffer[] =>
      compile(
        (t: Tensor) => {
          const out = ops.fractionalMaxPool2d(t, kernel, { outputRatio: 0.7, sequence });
          return [out, ...grad(ops.sum(ops.mul(out, out)), [t])];
        },
        { random: new RandomState(4) },
      )
        .runSync(tensor(numbers(big), big))
        .map((t) => Buffer.from((t.dataSync() as Float32Array).buffer));
    const two = run();
    setThreads(1);
    try {
      run().forEach((bits, i) => expect(bits.equals(two[i]!)).toBe(true));
    } finally {
      setThreads(2);
    }
  });
});

describe.each(['disjoint', 'overlapping'] as const)('regions of the paper, %s', (kernel) => {
  const [examples, extent, count] = [400, 25, 18];
  const height = kernel === 'disjoint' ? 1 : 2;
  // x counts along its width, so that an output is the last position of its region.
  const shape = [examples, 1, height, extent];
  const x = tensor(
    Float32Array.from({ length: examples * height * extent }, (_, i) => i % extent),
    shape,
  );
  const share = (kernel === 'disjoint' ? extent - count : extent - 1 - count) / count;

  it.each(['random', 'pseudorandom'] as const)('%s steps of 1 and 2 cover the input', (sequence) => {
    const last = compile(
      (t: Tensor) => ops.fractionalMaxPool2d(t, kernel, { outputSize: [1, count], sequence }),
      { random: new RandomState(2) },
    )
      .runSync(x)
      .dataSync();
    const longer = new Float64Array(count);
    const orders = new Set<string>();
    for (let n = 0; n < examples; n++) {
      const ends = Array.from({ length: count }, (_, i) => last[count * n + i]!);
      const steps = ends.map((end, i) => end - (i === 0 ? extent - 1 - total() : ends[i - 1]!));
      expect([...new Set(steps)].sort()).toEqual([1, 2]);
      expect(ends[count - 1]).toBe(extent - 1);
      steps.forEach((step, i) => (longer[i]! += step - 1));
      orders.add(steps.join(''));
    }
    // The fraction u shifts one pattern.
    if (sequence === 'pseudorandom') return expect(orders.size).toBeLessThanOrEqual(count);
    // Permutations hardly repeat, and wherever a step is it is as likely to be a longer one:
    // five standard errors.
    const error = 5 * Math.sqrt((share * (1 - share)) / examples);
    for (const n of longer) expect(Math.abs(n / examples - share)).toBeLessThan(error);
    expect(orders.size).toBeGreaterThan(0.95 * examples);
  });

  /** The sum of all steps. */
  function total(): number {
    return kernel === 'disjoint' ? extent : extent - 1;
  }
});

test('NaN wins, as in max pooling', () => {
  const x = tensor([1, NaN, 3, 4, 5, 6], [1, 1, 2, 3]);
  const y = ops.fractionalMaxPool2d(x, 'disjoint', { outputSize: 1, draw: false });
  expect([...y.dataSync()]).toEqual([NaN]);
});

test('empty batches, and more positions than a byte can tell apart', () => {
  const empty = tensor(new Float32Array(0), [0, 3, 5, 5]);
  expect(ops.fractionalMaxPool2d(empty, 'disjoint', { outputSize: 2 }).dataSync()).toHaveLength(0);
  const wide = tensor(
    Float32Array.from({ length: 70_000 }, (_, i) => i),
    [1, 1, 1, 70_000],
  );
  const y = compile((t: Tensor) =>
    grad(ops.sum(ops.fractionalMaxPool2d(t, 'disjoint', { outputSize: 1 })), [t]),
  );
  const dx = y.runSync(wide)[0]!.dataSync();
  expect([dx[69_999], Array.from(dx).reduce((a, b) => a + b)]).toEqual([1, 1]);
});

test('outputRatio is rounded down', () => {
  const x = tensor(numbers([1, 1, 10, 100]), [1, 1, 10, 100]);
  const y = ops.fractionalMaxPool2d(x, 2, { outputRatio: [0.7, 0.29], draw: false });
  expect(y.shape).toEqual([1, 1, 7, 28]); // 100 * 0.29 is below 29, in PyTorch as well
});

test('bad operands and options', () => {
  const x = tensor(new Float32Array(60), [1, 2, 6, 5]);
  const pool = (kernel: unknown, options: unknown) => () =>
    ops.fractionalMaxPool2d(x, kernel as 2, options as { outputSize: 2 });
  expect(pool('disjoint', { outputSize: [7, 5] })).toThrow(ShapeError);
  expect(pool('overlapping', { outputSize: [6, 4] })).toThrow(
    '[6, 4] with overlapping regions does not fit into x [1, 2, 6, 5]',
  );
  expect(pool(2, { outputSize: [6, 4] })).toThrow(ShapeError);
  expect(pool(6, { outputSize: 1 })).toThrow(ShapeError);
  expect(pool('tiled', { outputSize: 1 })).toThrow(OptionError);
  for (const kernel of [0, -1, 1.5, NaN, 1e9]) expect(pool(kernel, { outputSize: 1 })).toThrow('kernel');
  for (const size of [0, -1, 1.5, NaN, 1e9, '2']) expect(pool(2, { outputSize: size })).toThrow('outputSize');
  for (const ratio of [0, 1, -1, NaN, '0.5', [0.5], [0.5, 2]])
    expect(pool(2, { outputRatio: ratio })).toThrow(OptionError);
  expect(pool(2, { outputRatio: 0.1 })).toThrow('leaves nothing of x [1, 2, 6, 5]');
  for (const options of [{}, { outputSize: 2, outputRatio: 0.5 }])
    expect(pool(2, options)).toThrow('either outputSize or outputRatio');
  expect(pool(2, { outputSize: 2, sequence: 'fixed' })).toThrow('sequence');
  expect(pool(2, { outputSize: 2, draw: 1 })).toThrow('draw must be true or false');
  expect(pool(2, { outputsize: 2 })).toThrow('did you mean "outputSize"?');
  expect(() => ops.fractionalMaxPool2d(tensor([1, 2]), 2, { outputSize: 1 })).toThrow(ShapeError);
  expect(() => ops.fractionalMaxPool2d(tensor([1, 2]), 2, { outputRatio: 0.5 })).toThrow(ShapeError);
  const bytes = tensor(new Uint8Array(4), [1, 1, 2, 2]);
  expect(() => ops.fractionalMaxPool2d(bytes, 2, { outputSize: 1 })).toThrow(DTypeError);
});
