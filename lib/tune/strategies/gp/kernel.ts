/** The Matern kernel of smoothness 5/2, with a length for each dimension (ARD; Rasmussen & Williams 2006). */

/** What a process is fitted by. Numbers are coordinates from 0 to 1; choices are equal or not. */
export interface Kernel {
  /** 1 / length^2 of each dimension. */
  readonly weights: Float64Array;
  /** The variance of the function. */
  readonly scale: number;
  /** The variance of what is measured around it. */
  readonly noise: number;
}

/** Which dimensions are choices, whose squared distance is 0 or 1 (Hamming's). */
export type Choices = readonly boolean[];

/** The squared distance of two points along dimension `j`. */
export function squared(a: Float64Array, b: Float64Array, j: number, choices: Choices): number {
  const difference = a[j]! - b[j]!;
  if (choices[j]!) return difference === 0 ? 0 : 1;
  return difference * difference;
}

/** The squared distance with weights. */
export function distance(a: Float64Array, b: Float64Array, weights: Float64Array, choices: Choices): number {
  let sum = 0;
  for (let j = 0; j < weights.length; j++) sum += weights[j]! * squared(a, b, j, choices);
  return sum;
}

/** The correlation at a squared distance. */
export function matern(r: number): number {
  const root = Math.sqrt(5 * r);
  return (1 + root + (5 / 3) * r) * Math.exp(-root);
}

/**
 * Its derivative by the squared distance, which is finite at 0 too; from its value, which saves exponentials.
 */
export function maternSlope(r: number, correlation = matern(r)): number {
  const root = Math.sqrt(5 * r);
  return ((-5 / 6) * (1 + root) * correlation) / (1 + root + (5 / 3) * r);
}
