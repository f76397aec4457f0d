/** Orthogonal initial weights. */
import { ShapeError } from '../../errors';
import { finite } from '../../options';
import type { Initializer } from '../../tensor/parameter';
import { formatShape, numel } from '../../tensor/shape';
import { tensor } from '../../tensor/tensor';
import { Draws } from './draws';

/**
 * A random orthogonal matrix times `gain` (Saxe, McClelland, Ganguli 2013), of the weight as [first axis, all
 * others]: its rows are orthonormal, or its columns where it has more rows than columns. Computed on the
 * thread that calls, in time that grows with the square of the smaller side times the larger: 512 x 4608
 * takes some seconds, 4096 x 4096 some minutes.
 * @throws OptionError; ShapeError below rank 2
 */
export function orthogonal(gain = 1): Initializer {
  finite('init.orthogonal', 'gain', gain);
  return (shape, seed, name) => {
    if (shape.length < 2)
      throw new ShapeError(`init.orthogonal needs a weight of rank 2 or more, got ${formatShape(shape)}`);
    const [rows, columns] = [shape[0]!, numel(shape.slice(1))];
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
    const draws = new Draws(seed, name);
    const basis = orthonormal(count, length, (i) => draws.normal(i));
    const values = Float64Array.from({ length: rows * columns }, (_, i) => {
      const [r, c] = [Math.floor(i / columns), i % columns];
      return gain * (rows <= columns ? basis[r]![c]! : basis[c]![r]!);
    });
    return tensor(values, shape);
  };
}

/**
 * The Gram-Schmidt process on random vectors, applied twice to each ("twice is enough", Kahan), so that they
 * are orthogonal to rounding.
 */
function orthonormal(count: number, length: number, draw: (i: number) => number): Float64Array[] {
  const basis: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    const v = Float64Array.from({ length }, (_, i) => draw(k * length + i));
    for (let pass = 0; pass < 2; pass++) for (const b of basis) addScaled(v, -dot(v, b), b);
    const norm = Math.sqrt(dot(v, v));
    for (let i = 0; i < length; i++) v[i]! /= norm;
    basis.push(v);
  }
  return basis;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(to: Float64Array, scale: number, from: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i]! += scale * from[i]!;
}
