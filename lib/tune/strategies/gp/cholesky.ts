/** Linear algebra in float64 for a few hundred trials. A matrix of n x n is one array, row by row. */

/** What is added to the diagonal where rounding has made the matrix indefinite, as shares of its mean. */
const JITTERS = [0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4];

/** Whether `into` now holds the lower triangle L with L L^T = matrix + added I. */
function factored(into: Float64Array, matrix: Float64Array, size: number, added: number): boolean {
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]!;
      if (i === j) sum += added;
      for (let k = 0; k < j; k++) sum -= into[i * size + k]! * into[j * size + k]!;
      if (i !== j) into[i * size + j] = sum / into[j * size + j]!;
      else if (sum > 0 && Number.isFinite(sum)) into[i * size + i] = Math.sqrt(sum);
      else return false;
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
  for (let i = 0; i < size; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= lower[i * size + k]! * x[k]!;
    x[i] = sum / lower[i * size + i]!;
  }
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
  for (let j = 0; j < size; j++)
    for (let i = j; i < size; i++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= lower[i * size + k]! * columns[j * size + k]!;
      columns[j * size + i] = sum / lower[i * size + i]!;
    }
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = i; k < size; k++) sum += columns[i * size + k]! * columns[j * size + k]!;
      result[i * size + j] = sum;
      result[j * size + i] = sum;
    }
  return result;
}
