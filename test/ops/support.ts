/**
 * What every op test does: values against a naive float64 function written in the test, the gradient
 * rule on the float64 reference target against central differences, and the native kernels against
 * the reference target.
 */
import { compile } from '../../lib/compile/compile';
import { grad } from '../../lib/compile/grad';
import { mul, sum } from '../../lib/ops';
import { RandomState } from '../../lib/random';
import { numel, type Shape } from '../../lib/tensor/shape';
import { withTarget } from '../../lib/tensor/target';
import type { Tensor } from '../../lib/tensor/tensor';
import { tensor } from '../../lib/tensor/tensor';

export type Numbers = Float64Array;

/**
 * A fixed pseudo-random sequence in (-1, 1): the fractional parts of multiples of an irrational, shuffled by
 * a second one.
 */
export function numbers(shape: Shape, salt = 1): Numbers {
  return Float64Array.from({ length: numel(shape) }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + salt * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
}

/** Distinct values, far enough apart that no kink or tie lies within a difference step of a sample. */
export function distinct(shape: Shape, salt = 1): Numbers {
  const n = numel(shape);
  const keys = numbers([n], salt);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => keys[a]! - keys[b]!);
  return Float64Array.from(order, (rank) => (2 * (rank + 0.5)) / n - 1);
}

export interface Argument {
  readonly shape: Shape;
  readonly values?: Numbers;
  /** Default f32. Integer arguments are not differentiated. */
  readonly dtype?: 'f32' | 'i32' | 'u8';
}

export interface OpCase {
  readonly args: readonly Argument[];
  /** The op under test. */
  readonly fn: (...args: Tensor[]) => Tensor;
  /** The same in plain float64 loops, in logical order. */
  readonly reference?: (...args: Numbers[]) => ArrayLike<number>;
  /** Arguments to check the gradient of; default: every f32 one. Empty: not differentiable. */
  readonly differentiate?: readonly number[];
  /**
   * For ops that draw random numbers: the seed. Every run draws what the first one drew, so that differences
   * are those of one function.
   */
  readonly seed?: number;
  /** Allowed |native - ref| / (1 + max |ref|). Default 1e-5; say why where it is larger. */
  readonly tolerance?: number;
}

function argumentsOf(c: OpCase, values: readonly Numbers[]): Tensor[] {
  return c.args.map((a, i) =>
    tensor(
      a.dtype === undefined || a.dtype === 'f32' ? values[i]! : Array.from(values[i]!),
      a.shape,
      a.dtype ?? 'f32',
    ),
  );
}

function valuesOf(c: OpCase): Numbers[] {
  return c.args.map((a, i) => a.values ?? numbers(a.shape, i + 1));
}

/** NaN must fail: never write `if (error > tolerance)`. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(`${what}: ${actual.length} values`).toBe(`${what}: ${expected.length} values`);
  let scale = 1;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    const same = Object.is(actual[i], expected[i]) || (Number.isNaN(actual[i]) && Number.isNaN(expected[i]));
    if (!same && !(error <= tolerance * scale)) {
      throw new Error(
        `${what}: element ${i} is ${actual[i]}, expected ${expected[i]} (error ${error}, allowed ${tolerance * scale})`,
      );
    }
  }
}

/** As `compile` of `fn`, but of an op with a seed each run draws the same. */
function compiled<R>(c: OpCase, fn: (...args: Tensor[]) => R): (...args: Tensor[]) => R {
  const random = new RandomState(c.seed ?? 0);
  const run = compile(fn, c.seed === undefined ? {} : { random });
  return (...args) => {
    random.step = 3;
    return run.runSync(...args);
  };
}

function run(c: OpCase, values: readonly Numbers[]): ArrayLike<number> {
  return compiled(c, (...args: Tensor[]) => c.fn(...args))(...argumentsOf(c, values)).dataSync();
}

/** Values on the reference target equal the naive function; on the native target they equal the reference. */
export function checkValues(c: OpCase): void {
  const values = valuesOf(c);
  const onRef = withTarget('ref', () => run(c, values));
  if (c.reference !== undefined)
    expectClose(onRef, c.reference(...values), 1e-12, 'ref target against the naive function');
  // The native target rounds its inputs to f32; compare with the reference of the rounded inputs.
  const rounded = values.map((v) => Float64Array.from(Float32Array.from(v)));
  const expected = withTarget('ref', () => run(c, rounded));
  expectClose(run(c, rounded), expected, c.tolerance ?? 1e-5, 'native target against ref');
}

/** Differences of the fourth order: (8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12h. */
function difference(f: (x: number) => number, h: number): number {
  return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}

/** The gradient rules of the op (and of what it is made of) against central differences, in float64. */
export function checkGradients(c: OpCase, tolerance = 1e-6): void {
  const wanted =
    c.differentiate ?? c.args.flatMap((a, i) => (a.dtype === undefined || a.dtype === 'f32' ? [i] : []));
  withTarget('ref', () => {
    const values = valuesOf(c);
    // A weighted sum: every output element gets a gradient of its own.
    const weigh = (y: Tensor): Tensor => sum(mul(y, tensor(numbers(y.shape, 99), y.shape)));
    const loss = compiled(c, (...args: Tensor[]) => weigh(c.fn(...args)));
    const gradients = compiled(c, (...args: Tensor[]) =>
      grad(
        weigh(c.fn(...args)),
        wanted.map((i) => args[i]!),
      ),
    );
    const analytic = gradients(...argumentsOf(c, values)).map((t) => t.dataSync());
    wanted.forEach((argument, g) => {
      const numeric = values[argument]!.map((x, i) => {
        const at = (dx: number): number => {
          const moved = values.map((v) => v.slice());
          moved[argument]![i] = x + dx;
          return loss(...argumentsOf(c, moved)).itemSync();
        };
        // In float64 this step is far above rounding (1e-16 / 1e-5) and rarely straddles a kink of relu.
        return difference(at, 1e-5);
      });
      expectClose(analytic[g]!, numeric, tolerance, `gradient of argument ${argument}`);
    });
  });
}

/** Declares the usual tests of an op. */
export function testOp(name: string, cases: Record<string, OpCase>): void {
  describe(name, () => {
    for (const [title, c] of Object.entries(cases)) {
      it(`${title}: values`, () => checkValues(c));
      if (c.differentiate?.length !== 0) it(`${title}: gradients`, () => checkGradients(c));
    }
  });
}

/** Row-major index walk over a shape: fn(index of each axis, linear index). */
export function forEachIndex(shape: Shape, fn: (index: number[], linear: number) => void): void {
  const index = shape.map(() => 0);
  for (let linear = 0; linear < numel(shape); linear++) {
    fn(index, linear);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}
