/** Linear algebra in float64 for a few hundred trials. A matrix of n x n is one array, row by row. */

/** What is added to the diagonal where rounding has made the matrix indefinite, as shares of its mean. */
const JITTERS = [0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4];

/**
 * The sum of `count` products of entries of two rows, `a` from `from` on and `b` from `to` on. Four sums,
 * since a processor adds several at once, but none before the last one of the same sum is known.
 */
export function dot(a: Float64Array, from: number, b: Float64Array, to: number, count: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < count; k += 4) {
    s0 += a[from + k]! * b[to + k]!;
    s1 += a[from + k + 1]! * b[to + k + 1]!;
    s2 += a[from + k + 2]! * b[to + k + 2]!;
    s3 += a[from + k + 3]! * b[to + k + 3]!;
  }
  for (; k < count; k++) s0 += a[from + k]! * b[to + k]!;
  return s0 + s1 + (s2 + s3);
}

/** Whether `into` now holds the lower triangle L with L L^T = matrix + added I. */
function factored(into: Float64Array, matrix: Float64Array, size: number, added: number): boolean {
  for (let i = 0; i < size; i++) {
    const row = i * size;
    for (let j = 0; j < i; j++)
      into[row + j] = (matrix[row + j]! - dot(into, row, into, j * size, j)) / into[j * size + j]!;
    const square = matrix[row + i]! + added - dot(into, row, into, row, i);
    if (!(square > 0 && Number.isFinite(square))) return false;
    into[row + i] = Math.sqrt(square);
  }
  return true;
}

/**
 * L with L L^T = `matrix`, which is symmetric; zeros above its diagonal. A little is added to the diagonal
 * where that is needed. Undefined: `matrix` is far from positive definite, or not finite.
 */
export function cholesky(matrix: Float64Array, size: number): Float64Array | undefined {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += matrix[i * size + i]!;
  for (const jitter of JITTERS) {
    const lower = new Float64Array(size * size);
    if (factored(lower, matrix, size, (jitter * trace) / size)) return lower;
  }
  return undefined;
}

/** x with L x = b. */
export function solveLower(lower: Float64Array, b: Float64Array): Float64Array {
  const size = b.length;
  const x = new Float64Array(size);
  for (let i = 0; i < size; i++) x[i] = (b[i]! - dot(lower, i * size, x, 0, i)) / lower[i * size + i]!;
  return x;
}

/** x with L^T x = b. */
export function solveUpper(lower: Float64Array, b: Float64Array): Float64Array {
  const size = b.length;
  const x = Float64Array.from(b);
  for (let i = size - 1; i >= 0; i--) {
    const value = x[i]! / lower[i * size + i]!;
    x[i] = value;
    // Along the row, which is how L lies in memory.
    for (let k = 0; k < i; k++) x[k] = x[k]! - lower[i * size + k]! * value;
  }
  return x;
}

/** x with L L^T x = b. */
export function solve(lower: Float64Array, b: Float64Array): Float64Array {
  return solveUpper(lower, solveLower(lower, b));
}

/** The inverse of L L^T. */
export function inverse(lower: Float64Array, size: number): Float64Array {
  // Rows of M = L^-1 transposed, so that the products below run along rows.
  const columns = new Float64Array(size * size);
  for (let j = 0; j < size; j++) {
    const row = j * size;
    columns[row + j] = 1 / lower[row + j]!;
    for (let i = j + 1; i < size; i++)
      columns[row + i] = -dot(lower, i * size + j, columns, row + j, i - j) / lower[i * size + i]!;
  }
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const sum = dot(columns, i * size + i, columns, j * size + i, size - i);
      result[i * size + j] = sum;
      result[j * size + i] = sum;
    }
  return result;
}
