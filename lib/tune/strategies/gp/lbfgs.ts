/**
 * L-BFGS within a box: quasi-Newton steps in the variables that are free (Nocedal & Wright 2006, algorithm
 * 7.4), each projected onto the box, as in Kim, Sra & Dhillon 2010.
 */

import { atOnce, type Steps } from '../steps';

/** The value at `x`; `gradient` is filled. Infinity and NaN are refused by the search. */
export type Smooth = (x: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
  /** It ends where no entry of the projected gradient is larger. */
  readonly tolerance: number;
  readonly iterations: number;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
}

const MEMORY = 10;
const HALVINGS = 20;
/** Armijo's condition: the share of the decrease that the slope promises. */
const DECREASE = 1e-4;

interface Step {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly curvature: number;
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** -H g in the free variables, by the two loops of L-BFGS. */
function directionOf(gradient: Float64Array, steps: readonly Step[], free: readonly boolean[]): Float64Array {
  const q = gradient.map((value, i) => (free[i]! ? value : 0));
  const weights: number[] = [];
  for (const { s, y, curvature } of [...steps].reverse()) {
    const weight = dot(s, q) / curvature;
    weights.push(weight);
    for (let i = 0; i < q.length; i++) q[i] = q[i]! - weight * y[i]!;
  }
  const last = steps.at(-1);
  const scale =
    last === undefined ? 1 / Math.max(1, Math.sqrt(dot(q, q))) : last.curvature / dot(last.y, last.y);
  for (let i = 0; i < q.length; i++) q[i] = q[i]! * scale;
  for (const { s, y, curvature } of steps) {
    const weight = weights.pop()! - dot(y, q) / curvature;
    for (let i = 0; i < q.length; i++) q[i] = q[i]! + weight * s[i]!;
  }
  return q.map((value, i) => (free[i]! ? -value : 0));
}

/** The lowest value that a descent from `start` finds: never above that at `start`, moved into the box. */
export function minimize(f: Smooth, start: ArrayLike<number>, options: MinimizeOptions): Minimum {
  return atOnce(minimizing(f, start, options));
}

/** The same, one iteration after the other. */
export function* minimizing(f: Smooth, start: ArrayLike<number>, options: MinimizeOptions): Steps<Minimum> {
  const { low, high, tolerance, iterations } = options;
  const project = (value: number, i: number): number => Math.min(Math.max(value, low[i]!), high[i]!);
  let x = Float64Array.from(start, project);
  let gradient = new Float64Array(x.length);
  let value = f(x, gradient);
  const steps: Step[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    yield;
    const free = Array.from(x, (at, i) => (gradient[i]! > 0 ? at > low[i]! : at < high[i]!));
    if (!gradient.some((slope, i) => free[i]! && Math.abs(slope) > tolerance)) break;
    const next = searchAlong(f, { x, value, gradient, project }, directionOf(gradient, steps, free));
    if (next === undefined) {
      // The curvatures may mislead; without them it is the direction of steepest descent.
      if (steps.length === 0) break;
      steps.length = 0;
      continue;
    }
    const s = next.x.map((at, i) => at - x[i]!);
    const y = next.gradient.map((slope, i) => slope - gradient[i]!);
    const curvature = dot(s, y);
    if (curvature > 1e-12 * dot(y, y)) steps.push({ s, y, curvature });
    if (steps.length > MEMORY) steps.shift();
    ({ x, value, gradient } = next);
  }
  return { x, value };
}

interface Place {
  readonly x: Float64Array<ArrayBuffer>;
  readonly value: number;
  readonly gradient: Float64Array<ArrayBuffer>;
}

/** The first of the halved steps, projected, that decreases the value enough; undefined: none does. */
function searchAlong(
  f: Smooth,
  from: Place & { readonly project: (value: number, i: number) => number },
  direction: Float64Array,
): Place | undefined {
  const { x, value, gradient, project } = from;
  let step = 1;
  for (let halving = 0; halving < HALVINGS; halving++, step /= 2) {
    const at = x.map((place, i) => project(place + step * direction[i]!, i));
    const promised = at.reduce((sum, place, i) => sum + gradient[i]! * (place - x[i]!), 0);
    if (!(promised < 0)) continue;
    const slope = new Float64Array(x.length);
    const found = f(at, slope);
    if (found <= value + DECREASE * promised) return { x: at, value: found, gradient: slope };
  }
  return undefined;
}
