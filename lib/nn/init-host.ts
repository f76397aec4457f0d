/** Initial weights that no kernel draws: computed in double from the same random streams, while a model is initialized. */
import { OptionError, ShapeError } from '../errors';
import { checkKeys, finite, positive } from '../options';
import { philox } from '../philox';
import { streamKey } from '../random';
import type { Initializer } from '../tensor/parameter';
import { formatShape, numel } from '../tensor/shape';
import { tensor } from '../tensor/tensor';

/** Draws of one stream: a function of (seed, name, index, attempt). */
class Draws {
  private readonly words = new Uint32Array(4);
  private readonly key: readonly [number, number];

  constructor(seed: number, name: string) {
    this.key = streamKey(seed, name);
  }

  /** Two numbers in (0, 1). */
  uniforms(index: number, attempt = 0): [number, number] {
    const high = Math.floor(index / 2 ** 32);
    philox(this.words, this.key[0], this.key[1], index, high, attempt, 1);
    return [(this.words[0]! + 0.5) / 2 ** 32, (this.words[1]! + 0.5) / 2 ** 32];
  }

  /** Standard normal (Box & Muller 1958). */
  normal(index: number): number {
    const [u, v] = this.uniforms(index);
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }
}

export interface TruncatedNormalOptions {
  /** Where the distribution is cut off, in the units of the weights, as in PyTorch. Default -2 and 2. */
  readonly low?: number;
  readonly high?: number;
}

/** Normal, cut off at `low` and `high`: PyTorch's trunc_normal_. @throws OptionError unless low < high */
export function truncatedNormal(mean = 0, std = 1, options: TruncatedNormalOptions = {}): Initializer {
  const where = 'init.truncatedNormal';
  checkKeys(where, options, ['low', 'high']);
  finite(where, 'mean', mean);
  positive(where, 'std', std);
  const low = (finite(where, 'low', options.low ?? -2) - mean) / std;
  const high = (finite(where, 'high', options.high ?? 2) - mean) / std;
  if (!(low < high)) throw new OptionError(`${where}: low must be below high`);
  return (shape, seed, name) => {
    const draws = new Draws(seed, name);
    const values = Float64Array.from(
      { length: numel(shape) },
      (_, i) => mean + std * cut(draws, i, low, high),
    );
    return tensor(values, shape);
  };
}

/**
 * A standard normal number in [low, high], by rejection from a uniform one. Of a far or endless interval only the part that has more
 * than e^-40 of the greatest density is looked at, so that at least one draw in fifty is taken.
 */
function cut(draws: Draws, index: number, low: number, high: number): number {
  const peak = low > 0 ? low : high < 0 ? high : 0;
  const reach = 40 / Math.max(5, Math.abs(peak));
  const [from, to] = [Math.max(low, peak - reach), Math.min(high, peak + reach)];
  for (let attempt = 0; ; attempt++) {
    const [u, v] = draws.uniforms(index, attempt);
    const x = from + (to - from) * u;
    if (v <= Math.exp((peak * peak - x * x) / 2)) return x;
  }
}

/**
 * A random orthogonal matrix times `gain` (Saxe, McClelland, Ganguli 2013), of the weight as [first axis, all others]: its rows are
 * orthonormal, or its columns where it has more rows than columns. Computed on the thread that calls, in time that grows with the square of
 * the smaller side times the larger: 512 x 4608 takes some seconds, 4096 x 4096 some minutes. @throws OptionError; ShapeError below rank 2
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

/** Gram and Schmidt on random vectors, each twice ("twice is enough", Kahan): orthogonal to rounding. */
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
