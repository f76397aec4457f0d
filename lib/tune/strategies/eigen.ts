/**
 * Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations (Golub & Van Loan, 8.5).
 */

export type Matrix = number[][];

export interface Eigen {
  readonly values: readonly number[];
  /** `vectors[i][k]`: entry i of eigenvector k. */
  readonly vectors: Readonly<Matrix>;
}

export function identity(size: number): Matrix {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)));
}

/** Sweeps double the correct digits; a dozen are ample. */
const MOST_SWEEPS = 30;

export function eigenOf(matrix: Readonly<Matrix>): Eigen {
  const a = matrix.map((row) => [...row]);
  const size = a.length;
  const vectors = identity(size);
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let off = 0;
    let all = 0;
    a.forEach((row, i) => row.forEach((value, j) => ((all += value ** 2), i !== j && (off += value ** 2))));
    if (off <= 1e-30 * all) break;
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) rotate(a, vectors, p, q);
  }
  return { values: a.map((row, i) => row[i]!), vectors };
}

/** Makes a[p][q] zero. */
function rotate(a: Matrix, vectors: Matrix, p: number, q: number): void {
  const apq = a[p]![q]!;
  if (apq === 0) return;
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  const turn = (row: number[]): void => {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  };
  a.forEach(turn);
  const [rowP, rowQ] = [a[p]!, a[q]!];
  rowP.forEach((x, j) => {
    const y = rowQ[j]!;
    rowP[j] = c * x - s * y;
    rowQ[j] = s * x + c * y;
  });
  vectors.forEach(turn);
}
